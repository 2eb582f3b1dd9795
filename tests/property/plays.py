"""Arbitrary workflows, and arbitrary things that happen to them.

Owns: a small language of workflow code with its interpreter, the strategies that write programs in it, and the
director who decides in which order the world answers.
Must not know: the laws that are checked.

A program is a tuple of nodes; a node is a tuple that begins with its kind. What happens is decided by a list of
numbers, so that Hypothesis shrinks programs and happenings alike.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any, ClassVar

from hypothesis import strategies as st

from holdfast.authoring import lock, map_tasks, now, random, uuid4, wait_for_signal
from holdfast.engine.decisions import CLOSING_COMMANDS, Issued
from holdfast.engine.execution import Execution
from holdfast.history import (
    AcquireLock,
    CancelRequested,
    Failure,
    FanOutCompleted,
    InputEvent,
    LockGranted,
    ScheduleTask,
    SignalReceived,
    StartFanOut,
    StartTimer,
    TaskCompleted,
    TaskFailed,
    TaskTimedOut,
    TimerFired,
    UpdateAccepted,
)
from tests.errands import charge, fetch
from tests.rehearsal import Line, Outcomes, Rehearsal

Node = tuple[Any, ...]
Program = tuple[Node, ...]

PAGES_MAX = 60
"""After this many pages a run is cancelled until it ends."""


# --- The interpreter ---------------------------------------------------------------------------------------------


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
    await asyncio.sleep(seconds)
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


async def _child(scene: Scene, node: Node) -> Any:
    return await asyncio.create_task(act(scene, node))


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
    "child": _child,
    "spawn": _spawn,
    "if": _if,
    "uuid": _uuid,
    "now": _now,
    "map": _map,
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
    queries: ClassVar = {"log": Line("log", lambda scene, _: scene.log)}
    updates: ClassVar = {"add": Line("add", _add), "slowly": Line("slowly", _slowly)}

    def __init__(self, program: Program) -> None:
        """Act out `program`."""
        self.program = program

    def start(self, _: bytes) -> tuple[Any, Any]:
        """Return a new scene and the coroutine that is the run."""
        scene = Scene()
        return scene, run(scene, self.program)

    def encode_result(self, value: Any) -> bytes:
        """Return a result as JSON text."""
        return json.dumps(value).encode()


# --- The strategies ----------------------------------------------------------------------------------------------

_items = st.integers(0, 9)
_seconds = st.sampled_from([1, 2, 5, 30])
_leaves = st.one_of(
    st.tuples(st.just("call"), _items),
    st.tuples(st.just("keyed"), st.integers(0, 3)),
    st.tuples(st.just("start"), _items),
    st.tuples(st.just("await"), _items),
    st.tuples(st.just("drop"), _items),
    st.tuples(st.just("sleep"), st.sampled_from([0, 1, 3, 10])),
    st.tuples(st.just("signal"), st.sampled_from(["go", "stop"]), st.sampled_from([0, 4])),
    st.tuples(st.just("uuid")),
    st.tuples(st.just("now")),
    st.tuples(st.just("map"), st.integers(1, 3)),
)


def _inner(nodes: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    def several(kind: str, *first: st.SearchStrategy[Any]) -> st.SearchStrategy[Node]:
        head = st.tuples(st.just(kind), *first)
        return st.builds(lambda head, rest: (*head, *rest), head, st.lists(nodes, min_size=1, max_size=4))

    return st.one_of(
        several("gather", st.booleans()),
        several("group"),
        several("first"),
        several("completed"),
        several("semaphore", st.integers(1, 2)),
        several("queue"),
        several("several"),
        several("generator"),
        st.tuples(st.just("timeout"), _seconds, nodes),
        st.tuples(st.just("wait_for"), _seconds, nodes),
        st.tuples(st.just("shield"), _seconds, nodes),
        st.tuples(st.just("lock"), st.sampled_from("ab"), nodes),
        st.tuples(st.just("child"), nodes),
        st.tuples(st.just("spawn"), nodes),
        st.tuples(st.just("if"), nodes, nodes),
        st.tuples(st.just("try"), nodes),
        st.tuples(st.just("finally"), nodes, nodes),
        st.tuples(st.just("swallow"), nodes),
    )


programs: st.SearchStrategy[Program] = st.lists(
    st.recursive(_leaves, _inner, max_leaves=12), min_size=1, max_size=5
).map(tuple)
_numbers = st.integers(0, 10_000)
happenings = st.lists(_numbers, max_size=60) | st.lists(_numbers, min_size=40, max_size=90)


# --- The director ------------------------------------------------------------------------------------------------


class Choices:
    """Decisions about what happens, from a list of numbers; when it is used up, the first of everything."""

    def __init__(self, numbers: Sequence[int]) -> None:
        """Decide by `numbers`."""
        self._numbers = iter(numbers)
        self.are_left = True

    def pick(self, count: int) -> int:
        """Return a number below `count`."""
        number = next(self._numbers, None)
        if number is None:
            self.are_left = False
            return 0
        return number % count


def direct(
    program: Program,
    numbers: Sequence[int],
    *,
    make: Callable[..., Execution] = Execution,
    rehearsal: type[Rehearsal] = Rehearsal,
    crashes: Sequence[int] = (),
) -> Rehearsal:
    """Let things happen to a program until it ends, and write the whole history.

    Args:
        program: what is acted out.
        numbers: decide what happens.
        make: makes executions.
        rehearsal: plays the owner.
        crashes: numbers of pages after which the owner dies; negative ones before what they hold was applied.
    """
    stage = rehearsal(Play(program), make=make)
    choices = Choices(numbers)
    stage.begin()
    for number in range(1, 10 * PAGES_MAX):
        if stage.execution.closed:
            break
        inputs = _happen(stage, choices, number)
        stage.write(*inputs, record=_recorded(stage, inputs, choices))
        if -number in crashes:
            stage.crash()
            continue
        stage.apply(inputs)
        if number in crashes and not stage.execution.closed:
            stage.crash()
    else:
        stage.end()
        raise AssertionError(f"the run did not end: it waits for {stage.execution.idle_steps}")
    stage.close()
    return stage


def _happen(stage: Rehearsal, choices: Choices, number: int) -> list[InputEvent]:
    """Decide what the next page tells the run."""
    stage.time += choices.pick(3) * 0.5
    inputs: list[InputEvent] = []
    open_steps = list(stage.execution.open)
    if number > PAGES_MAX:
        return [CancelRequested(stage.time, 0, "enough")]
    for _ in range(1 + choices.pick(3)):
        kind = choices.pick(14)
        if kind == 13 and choices.are_left and number > 2:
            inputs.append(CancelRequested(stage.time, 0, f"cancel {number}"))
        elif kind >= 9 or not open_steps:
            names = ["go", "stop", "note", "work"] if kind < 12 else ["add", "slowly"]
            name = names[choices.pick(len(names))] if choices.are_left or open_steps else ["go", "stop"][number % 2]
            payload = json.dumps(f"m{number}.{len(inputs)}").encode()
            if name in Play.updates:
                inputs.append(UpdateAccepted(stage.time, 0, f"u{number}.{len(inputs)}", name, payload))
            else:
                inputs.append(SignalReceived(stage.time, 0, name, payload, f"s{number}.{len(inputs)}"))
        else:
            step = open_steps.pop(choices.pick(len(open_steps)))
            inputs.append(_outcome(stage, step, choices, number))
    return inputs


def _outcome(stage: Rehearsal, step: str, choices: Choices, number: int) -> InputEvent:
    command = stage.execution.open[step].command
    match command:
        case StartTimer():
            stage.time = max(stage.time, command.due)
            return TimerFired(stage.time, 0, step)
        case AcquireLock():
            return LockGranted(stage.time, 0, step, number)
        case StartFanOut():
            items = [(True, json.dumps(f"r{number}[{each}]").encode()) for each in range(len(command.items))]
            stage.outcomes[step] = Outcomes(items)
            return FanOutCompleted(stage.time, 0, step, bytes([number]), len(items), 0)
        case ScheduleTask():
            match choices.pick(8):
                case 6:
                    return TaskFailed(stage.time, 0, step, Failure("ValueError", f"r {step}"))
                case 7:
                    return TaskTimedOut(stage.time, 0, step, "attempt", Failure("TimeoutError", f"r {step}"))
                case _:
                    return TaskCompleted(stage.time, 0, step, json.dumps(f"r {step}").encode())
        case _:
            raise AssertionError(f"{step} has no outcome")


def _recorded(stage: Rehearsal, inputs: Sequence[InputEvent], choices: Choices) -> list[Issued]:
    """Decide which decisions the page records: those whose outcome it holds, and any of the others."""
    needed = {getattr(each, "step", None) for each in inputs} - {None}
    everything = choices.pick(2) == 0
    return [
        each
        for each in stage.unrecorded
        if not isinstance(each.command, CLOSING_COMMANDS)
        and (everything or getattr(each.command, "step", None) in needed or choices.pick(2))
    ]
