"""Scenarios about other runs: children, messages between runs, continuations.

Owns: the scenarios.
Must not know: any engine.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, Literal

from holdfast.authoring import continue_as_new, get_run, signal, start_child, update, wait_for_signal, workflow
from holdfast.client import RunHandle
from holdfast.errors import ChildError
from holdfast.ports.operations import CANCELLED, FAILED, RUNNING, TERMINAL, TERMINATED
from holdfast.testing.conformance.runtime.scenario import Stage, scenario
from holdfast.testing.conformance.runtime.tasks import apply, apply_held

PARENT_CLOSE: Final[tuple[Literal["terminate", "cancel", "abandon"], ...]] = ("terminate", "cancel", "abandon")


@workflow
async def child_of_two_steps(word: str) -> str:
    """Have two effects; the first waits for the gate."""
    await apply_held(f"{word} begun")
    return await apply(f"{word} done")


@workflow
async def parent_of_two(first: str, second: str) -> list[str]:
    """Start two children at once, and have an effect of its own after them."""
    children = [start_child(child_of_two_steps, word, key=word) for word in (first, second)]
    names = [await each.started for each in children]
    results = await asyncio.gather(*children)
    return [*(name.partition(":")[2] for name in names), *results, await apply("after")]


@scenario(
    result=["child_of_two_steps[a]", "child_of_two_steps[b]", "a done", "b done", "after"],
    effects=["a begun", "b begun", "a done", "b done", "after"],
)
async def children_run_once_and_give_their_results(stage: Stage) -> RunHandle[Any]:
    """Children begin once and their results arrive once, although parent and children were killed together."""
    run = await stage.start(parent_of_two, "a", "b")
    await stage.effects(2)
    await stage.middle()
    return run


@workflow
async def failing_child() -> None:
    """Fail, after an effect."""
    await apply_held("tried")
    raise ValueError("it cannot be")


@workflow
async def parent_that_catches() -> list[str]:
    """Say how its child failed."""
    try:
        await start_child(failing_child)
    except ChildError as error:
        return [error.status, error.type, error.text]
    return []


@scenario(result=["FAILED", "ValueError", "it cannot be"], effects=["tried"])
async def a_childs_failure_is_its_parents_to_catch(stage: Stage) -> RunHandle[Any]:
    """A child's failure arrives as a ChildError that says what the child failed with."""
    run = await stage.start(parent_that_catches)
    await stage.effects(1)
    await stage.middle()
    return run


@workflow
async def child_that_cleans_up() -> None:
    """Wait to be cancelled, then clean up by a step."""
    try:
        await apply("child begun")
        await asyncio.sleep(86_400)
    finally:
        await apply("child cleaned up")


@workflow
async def parent_that_is_cancelled() -> None:
    """Wait for a child, and clean up after it."""
    try:
        await start_child(child_that_cleans_up)
    finally:
        await apply("parent cleaned up")


@scenario(status="CANCELLED", effects=["child begun", "child cleaned up", "parent cleaned up"])
async def a_cancelled_tree_cleans_up(stage: Stage) -> RunHandle[Any]:
    """Cancelling a run cancels the child that it waits for; both clean up, though they are killed in the middle."""
    run = await stage.start(parent_that_is_cancelled)
    await stage.effects(1)
    await run.cancel("enough", operation_id="once")
    await stage.middle()
    return run


@workflow
async def child_left_behind(word: str) -> str:
    """Wait for a word; clean up by a step when asked to stop."""
    try:
        await apply(f"{word} begun")
        return await apply(await wait_for_signal("word", type=str))
    except asyncio.CancelledError:
        await apply(f"{word} cleaned up")
        raise


@workflow
async def parent_that_leaves() -> None:
    """Start a child for each way in which a parent's end can be its child's, and fail."""
    for each in PARENT_CLOSE:
        await start_child(child_left_behind, each, key=each, parent_close=each).started
    await apply_held("about to leave")
    raise ValueError("it left")


@scenario(
    result="still there",
    effects=["about to leave", *(f"{each} begun" for each in PARENT_CLOSE), "cancel cleaned up", "still there"],
)
async def a_parents_end_is_its_childrens_as_each_was_started(stage: Stage) -> RunHandle[Any]:
    """One is terminated, one is asked to stop, one is left alone, whatever is killed in between."""
    parent = await stage.start(parent_that_leaves)
    await stage.effects(4)
    await stage.middle()
    await stage.status(parent, FAILED)
    children = {each: stage.client.handle(f"{parent.run_id}:child_left_behind[{each}]") for each in PARENT_CLOSE}
    ends = [(await stage.status(children[each], *TERMINAL)).status for each in ("terminate", "cancel")]
    if ends != [TERMINATED, CANCELLED] or (await children["abandon"].describe()).status != RUNNING:
        raise AssertionError(f"children: {ends}")
    await children["abandon"].signal("word", "still there")
    return children["abandon"]


@workflow
class Mailbox:
    """Takes three words from other runs."""

    def __init__(self) -> None:
        self.words: asyncio.Queue[str] = asyncio.Queue()

    async def run(self) -> list[str]:
        """Apply the words in the order in which they came."""
        return [await apply(await self.words.get()) for _ in range(3)]

    @signal
    def post(self, word: str) -> None:
        """Take a word."""
        self.words.put_nowait(word)


@workflow
async def postman(address: str) -> None:
    """Send two words and, with its last page, a third."""
    await get_run(address).signal(Mailbox.post, "one")
    await apply_held("on the way")
    await get_run(address).signal(Mailbox.post, "two")
    _ = get_run(address).signal(Mailbox.post, "three")


@scenario(result=["one", "two", "three"], effects=["on the way", "one", "two", "three"])
async def messages_between_runs_arrive_once(stage: Stage) -> RunHandle[Any]:
    """What one run sends to another arrives once and in order, although both were killed in between."""
    run = await stage.start(Mailbox)
    await stage.start(postman, run.run_id, id=" postman")
    await stage.effects(2)
    await stage.middle()
    return run


@workflow
async def relay(done: list[str]) -> list[str]:
    """Take one word, and go on as a new execution with it, until there are three."""
    word = await wait_for_signal("word", type=str)
    done = [*done, await (apply_held if not done else apply)(word)]
    if len(done) < 3:
        continue_as_new(done)
    return done


@scenario(result=["a", "b", "c"], effects=["a", "b", "c"])
async def a_run_continues_as_new_with_its_mail(stage: Stage) -> RunHandle[Any]:
    """Signals that nobody took go along from execution to execution; whoever waits gets the last one's result."""
    run = await stage.start(relay, [])
    for word in ("a", "b"):
        await run.signal("word", word)
    await stage.effects(1)
    await stage.middle()
    await run.signal("word", "c")
    return run


@workflow
class Register:
    """Takes names, and goes on as a new execution after each turn of its code, until it is closed."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.closed = False
        self.changed = asyncio.Event()

    async def run(self, names: list[str]) -> list[str]:
        """Return the names, in order."""
        if not names:
            await apply_held("begun")
        self.names = sorted({*names, *self.names})
        await self.changed.wait()
        if not self.closed:
            continue_as_new(self.names)
        return self.names

    @update
    def enter(self, name: str) -> str:
        """Take a name."""
        self.names.append(name)
        self.changed.set()
        return name

    @signal
    def close(self) -> None:
        """End the run."""
        self.closed = True
        self.changed.set()


@scenario(result=["a", "b", "c", "d", "e", "f"], effects=["begun"])
async def updates_reach_the_execution_that_follows(stage: Stage) -> RunHandle[Any]:
    """An update that comes while a run goes on as new is answered by the one that has it, or by the one after it."""
    run = await stage.start(Register, [])
    await stage.effects(1)
    early = [asyncio.create_task(stage.update(run, Register.enter, name)) for name in "ab"]
    await stage.middle()
    answers = await asyncio.gather(*early, *(stage.update(run, Register.enter, name) for name in "cdef"))
    if answers != list("abcdef"):
        raise AssertionError(f"answers: {answers}")
    await run.signal(Register.close)
    return run
