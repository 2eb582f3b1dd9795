"""A small language of workflow code, and workflows that act out programs written in it.

Owns: what each kind of node does, and programs made up from a generator of random numbers.
Must not know: who decides what happens to a run, and what is checked.

A program is a sequence of nodes; a node is a sequence that begins with its kind. Programs are plain JSON values, so
they can be handed to other processes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from holdfast.authoring import (
    Saga,
    continue_as_new,
    get_run,
    lock,
    map_tasks,
    now,
    patched,
    random,
    run_info,
    set_attributes,
    side_effect,
    start_child,
    uuid4,
    wait_for_signal,
)
from tests.errands import charge, fetch, undo
from tests.rehearsal import Line

Node = Sequence[Any]
Program = Sequence[Node]


class Scene:
    """The state of one run: what its handlers share with its code."""

    def __init__(self) -> None:
        self.log: list[Any] = []
        self.started: list[Any] = []


async def run(scene: Scene, program: Program) -> list[Any]:
    """Act out a program; its result is everything that it saw."""
    for node in program:
        try:
            scene.log.append(await act(scene, node))
        except Exception as error:  # noqa: BLE001 - what a program trips over is part of what it saw
            scene.log.append(type(error).__name__)
    return scene.log


async def act(scene: Scene, node: Node) -> Any:
    """Act out one node; return what it saw."""
    return await _ACTS[node[0]](scene, *node[1:])


async def _call(_: Scene, item: int) -> Any:
    return await (fetch if item % 2 else charge)(item)


async def _keyed(_: Scene, item: int) -> Any:
    return await fetch.options(key=str(item))(item)


async def _start(scene: Scene, item: int) -> str:
    scene.started.append(fetch(item))
    return "started"


async def _await(scene: Scene, index: int) -> Any:
    return await scene.started[index % len(scene.started)] if scene.started else None


async def _drop(scene: Scene, index: int) -> bool:
    return bool(scene.started and scene.started[index % len(scene.started)].cancel())


async def _sleep(_: Scene, seconds: float) -> float:
    await asyncio.sleep(seconds)  # virtual time
    return asyncio.get_running_loop().time()


async def _gather(scene: Scene, collect: bool, *nodes: Node) -> list[Any]:
    return [
        _seen(each) for each in await asyncio.gather(*(act(scene, each) for each in nodes), return_exceptions=collect)
    ]


async def _group(scene: Scene, *nodes: Node) -> list[Any]:
    async with asyncio.TaskGroup() as group:
        members = [
            group.create_task(fetch(each[1]) if each[0] == "call" else act(scene, each))  # steps and coroutines
            for each in nodes
        ]
    return [each.result() for each in members]


async def _first(scene: Scene, *nodes: Node) -> list[Any]:
    done, pending = await asyncio.wait(
        [asyncio.create_task(act(scene, each)) for each in nodes], return_when=asyncio.FIRST_COMPLETED
    )
    seen = [_seen(each.exception()) if each.exception() else each.result() for each in done]
    for each in pending:
        each.cancel()
    if pending:
        over, _ = await asyncio.wait(pending)
        seen += ["cancelled" if each.cancelled() else _seen(each.exception()) for each in over]
    return seen


async def _completed(scene: Scene, *nodes: Node) -> list[Any]:
    return [await each for each in asyncio.as_completed([act(scene, each) for each in nodes])]


async def _timeout(scene: Scene, seconds: float, node: Node) -> Any:
    async with asyncio.timeout(seconds):
        return await act(scene, node)


async def _wait_for(scene: Scene, seconds: float, node: Node) -> Any:
    return await asyncio.wait_for(act(scene, node), seconds)


async def _shield(scene: Scene, seconds: float, node: Node) -> Any:
    task = asyncio.create_task(act(scene, node))
    try:
        async with asyncio.timeout(seconds):
            return await asyncio.shield(task)
    except TimeoutError:
        return await task


async def _signal(_: Scene, name: str, seconds: float) -> Any:
    return await wait_for_signal(name, timeout=seconds or None)


async def _lock(scene: Scene, name: str, node: Node) -> Any:
    async with lock(name) as held:
        return [held.token, await act(scene, node)]


async def _semaphore(scene: Scene, places: int, *nodes: Node) -> list[Any]:
    limit = asyncio.Semaphore(places)

    async def limited(node: Node) -> Any:
        async with limit:
            return await act(scene, node)

    return await asyncio.gather(*(limited(each) for each in nodes))


async def _queue(scene: Scene, *nodes: Node) -> list[Any]:
    queue: asyncio.Queue[Any] = asyncio.Queue(2)

    async def produce() -> None:
        for each in nodes:
            await queue.put(await act(scene, each))
        await queue.put(queue)

    producer = asyncio.create_task(produce())
    seen = []
    try:
        while (item := await asyncio.wait_for(queue.get(), 50)) is not queue:
            seen.append(item)
    finally:
        producer.cancel()
    return seen


async def _subtask(scene: Scene, node: Node) -> Any:
    return await asyncio.create_task(act(scene, node))


async def _child(_: Scene, item: int) -> Any:
    return await start_child("kid", item)


async def _begin_child(scene: Scene, item: int) -> Any:
    child = start_child("kid", item)
    scene.started.append(child)
    return await child.started


async def _start_child(scene: Scene, item: int) -> str:
    scene.started.append(start_child("kid", item))
    return "started a child"


async def _send(scene: Scene, item: int) -> Any:
    sent = get_run(f"other-{item}").signal("go", item)
    if item % 2:
        return await sent
    scene.started.append(sent)
    return "sent"


async def _continue(scene: Scene, item: int) -> Any:
    if len(scene.log) > 3:
        continue_as_new(item)
    return None


async def _spawn(scene: Scene, node: Node) -> str:
    async def quietly() -> None:
        try:
            scene.log.append(await act(scene, node))
        except Exception as error:  # noqa: BLE001 - as in run()
            scene.log.append(type(error).__name__)

    asyncio.create_task(quietly())  # noqa: RUF006 - spawned and forgotten
    return "spawned"


async def _if(scene: Scene, one: Node, other: Node) -> Any:
    return await act(scene, one if random().random() < 0.5 else other)


async def _uuid(_: Scene) -> str:
    return str(uuid4())


async def _now(_: Scene) -> str:
    return now().isoformat()


async def _map(_: Scene, count: int) -> list[Any]:
    return list(await map_tasks(fetch, list(range(count))))


async def _patch(scene: Scene, name: str) -> list[Any]:
    changed = patched(name)
    scene.log.append(changed)
    return [changed, await fetch(name)] if changed else [changed]


async def _effect(_: Scene, item: int) -> Any:
    return await side_effect(lambda: item)


async def _attributes(_: Scene, name: str, value: int) -> Any:
    set_attributes({name: value or None})
    return sorted(run_info().attributes.items())


async def _saga(scene: Scene, *nodes: Node) -> list[Any]:
    async with Saga() as saga:
        seen = []
        for index, each in enumerate(nodes):
            saga.add(undo, index)
            seen.append(await act(scene, each))
        if random().random() < 0.3:
            raise LookupError
    return seen


async def _try(scene: Scene, node: Node) -> Any:
    try:
        return await act(scene, node)
    except Exception as error:  # noqa: BLE001 - as in run()
        return type(error).__name__


async def _finally(scene: Scene, node: Node, last: Node) -> Any:
    try:
        return await act(scene, node)
    finally:
        scene.log.append(await act(scene, last))


async def _swallow(scene: Scene, node: Node) -> Any:
    try:
        return await act(scene, node)
    except asyncio.CancelledError:
        return "swallowed"


async def _several(scene: Scene, *nodes: Node) -> list[Any]:
    return [await act(scene, each) for each in nodes]


async def _generator(scene: Scene, *nodes: Node) -> list[Any]:
    async def produce() -> AsyncIterator[Any]:
        try:
            for each in nodes:
                yield await act(scene, each)
        finally:
            scene.log.append("generator ended")

    seen = []
    async for each in produce():
        seen.append(each)
        if random().random() < 0.3:
            break
    return seen


def _seen(value: Any) -> Any:
    return type(value).__name__ if isinstance(value, BaseException) else value


_ACTS: dict[str, Callable[..., Coroutine[Any, Any, Any]]] = {
    "call": _call,
    "keyed": _keyed,
    "start": _start,
    "await": _await,
    "drop": _drop,
    "sleep": _sleep,
    "gather": _gather,
    "group": _group,
    "first": _first,
    "completed": _completed,
    "timeout": _timeout,
    "wait_for": _wait_for,
    "shield": _shield,
    "signal": _signal,
    "lock": _lock,
    "semaphore": _semaphore,
    "queue": _queue,
    "subtask": _subtask,
    "child": _child,
    "begin_child": _begin_child,
    "start_child": _start_child,
    "send": _send,
    "continue": _continue,
    "spawn": _spawn,
    "if": _if,
    "uuid": _uuid,
    "now": _now,
    "map": _map,
    "patch": _patch,
    "effect": _effect,
    "attributes": _attributes,
    "saga": _saga,
    "try": _try,
    "finally": _finally,
    "swallow": _swallow,
    "several": _several,
    "generator": _generator,
}


async def _work(scene: Scene, item: Any) -> None:
    scene.log.append(await fetch(item))


async def _slowly(scene: Scene, item: Any) -> Any:
    scene.log.append("update")
    return await charge(item)


def _add(scene: Scene, item: Any) -> int:
    scene.log.append(item)
    return len(scene.log)


class Play:
    """A workflow that acts out a program. See `holdfast.ports.program.Program`."""

    name = "play"
    signals: ClassVar = {"note": Line("note", lambda scene, item: scene.log.append(item)), "work": Line("work", _work)}
    queries: ClassVar = {
        "log": Line("log", lambda scene, _: scene.log),
        "meddle": Line("meddle", lambda _, item: str([fetch(item), uuid4()])),
    }
    updates: ClassVar = {"add": Line("add", _add), "slowly": Line("slowly", _slowly)}

    def __init__(self, program: Program) -> None:
        """Act out `program`."""
        self.program = program

    def start(self, _: bytes) -> tuple[Any, Any]:
        """Return a new scene and the coroutine that is the run."""
        scene = Scene()
        return scene, run(scene, self.program)

    def encode_input(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bytes:
        """Return an input as JSON text."""
        return json.dumps([args, dict(kwargs)]).encode()

    def encode_result(self, value: Any) -> bytes:
        """Return a result as JSON text."""
        return json.dumps(value).encode()


# --- Programs made up --------------------------------------------------------------------------------------------

LEAVES: tuple[tuple[Any, ...], ...] = (
    ("call", range(10)),
    ("keyed", range(4)),
    ("start", range(10)),
    ("await", range(10)),
    ("drop", range(10)),
    ("sleep", (0, 1, 3, 10)),
    ("signal", ("go", "stop"), (0, 4)),
    ("uuid",),
    ("now",),
    ("map", (1, 2, 3)),
    ("patch", ("old", "new")),
    ("effect", range(3)),
    ("attributes", ("region", "stage"), range(3)),
    ("child", range(3)),
    ("begin_child", range(3)),
    ("start_child", range(3)),
    ("send", range(4)),
    ("continue", range(3)),
)
"""Nodes without others inside, and what their arguments may be."""

_SECONDS = (1, 2, 5, 30)
ONE: tuple[tuple[Any, ...], ...] = (
    ("timeout", _SECONDS),
    ("wait_for", _SECONDS),
    ("shield", _SECONDS),
    ("lock", ("a", "b")),
    ("subtask",),
    ("spawn",),
    ("try",),
    ("swallow",),
)
"""Nodes with one other inside."""

TWO: tuple[tuple[Any, ...], ...] = (("if",), ("finally",))
"""Nodes with two others inside."""

MANY: tuple[tuple[Any, ...], ...] = (
    ("gather", (False, True)),
    ("group",),
    ("first",),
    ("completed",),
    ("semaphore", (1, 2)),
    ("queue",),
    ("several",),
    ("saga",),
    ("generator",),
)
"""Nodes with one to four others inside."""


def make_up(chance: Random, *, depth: int = 3) -> Program:
    """Return a program made up by `chance`."""
    return [_make_up_node(chance, depth) for _ in range(chance.randint(1, 5))]


def _make_up_node(chance: Random, depth: int) -> Node:
    kinds = LEAVES if depth == 0 or chance.random() < 0.3 else chance.choice((ONE, TWO, MANY))
    kind, *arguments = chance.choice(kinds)
    inner = {LEAVES: 0, ONE: 1, TWO: 2}.get(kinds)
    count = chance.randint(1, 4) if inner is None else inner
    return [
        kind,
        *(chance.choice(each) for each in arguments),
        *(_make_up_node(chance, depth - 1) for _ in range(count)),
    ]
