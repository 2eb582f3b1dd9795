"""Coroutines started without a task of their own behave as if they had one."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import anyio
import pytest

from holdfast.worker.eager import SHELLS_IDLE_MAX, EagerStarter
from tests.unit.worker.rig import on_loop, pause

colour: ContextVar[str] = ContextVar("colour", default="none")


class Probe:
    """A starter that remembers outcomes."""

    def __init__(self) -> None:
        self.starter = EagerStarter(asyncio.get_running_loop())
        self.outcomes: list[tuple[Any, BaseException | None]] = []
        self.ended = asyncio.Event()

    def start(self, coroutine: Any) -> asyncio.Task[Any] | None:
        """Start `coroutine` in a context of its own."""
        return self.starter.start(coroutine, self.starter.context(), self._done)

    def _done(self, value: Any, error: BaseException | None) -> None:
        self.outcomes.append((value, error))
        self.ended.set()

    async def outcome(self) -> tuple[Any, BaseException | None]:
        """Wait for the one outcome."""
        async with asyncio.timeout(5):
            await self.ended.wait()
        assert len(self.outcomes) == 1, "an outcome is told once"
        return self.outcomes[0]

    async def reference(self, make: Callable[[], Awaitable[Any]]) -> tuple[Any, type[BaseException] | None]:
        """Run the same on a real task."""
        task = asyncio.ensure_future(make())
        await asyncio.wait([task])
        if task.cancelled():
            return None, asyncio.CancelledError
        error = task.exception()
        return (None, type(error)) if error else (task.result(), None)


async def warmed() -> Probe:
    """Return a probe whose pool holds a parked shell, as it does after the first step of a program."""
    probe = Probe()

    async def nothing() -> None:
        pass

    probe.start(nothing())
    await asyncio.sleep(0)
    assert [shell.park is not None for shell in probe.starter._idle] == [True]
    probe.outcomes.clear()
    probe.ended.clear()
    return probe


@pytest.fixture(params=["fresh", "parked"])
def make_probe(request: pytest.FixtureRequest) -> Callable[[], Awaitable[Probe]]:
    """Make probes whose next shell is new, or was used before."""

    async def fresh() -> Probe:
        return Probe()

    return warmed if request.param == "parked" else fresh


@on_loop
async def test_a_coroutine_that_does_not_wait(make_probe):
    """A coroutine that does not wait ends before start returns."""
    probe = await make_probe()

    async def add() -> int:
        return 2 + 3

    assert probe.start(add()) is None
    assert probe.outcomes == [(5, None)]
    assert len(probe.starter._idle) == 1, "its shell is kept"


@on_loop
async def test_one_shell_serves_any_number_of():
    """One shell serves any number of coroutines that do not wait."""
    probe = await warmed()
    shells = []

    async def note() -> None:
        shells.append(id(asyncio.current_task()))

    for _ in range(100):
        probe.start(note())
    assert len(set(shells)) == 1


@on_loop
async def test_the_current_task_is_the_same(make_probe):
    """The current task is the same before and after the first wait."""
    probe = await make_probe()

    async def watch() -> list[Any]:
        seen = [asyncio.current_task()]
        await asyncio.sleep(0)
        seen.append(asyncio.current_task())
        await pause()
        seen.append(asyncio.current_task())
        assert asyncio.current_task() in asyncio.all_tasks()
        return [task is seen[0] and isinstance(task, asyncio.Task) for task in seen]

    task = probe.start(watch())
    assert task is not None
    assert (await probe.outcome()) == ([True, True, True], None)
    assert task.done()
    assert task.result() == [True, True, True], "its task ends as its coroutine did"


@on_loop
async def test_the_starting_task_is_current_again(make_probe):
    """The starting task is current again afterwards."""
    probe = await make_probe()
    me = asyncio.current_task()

    async def inner() -> Any:
        return asyncio.current_task()

    async def outer() -> bool:
        mine = asyncio.current_task()
        inside = Probe()
        inside.start(inner())
        return asyncio.current_task() is mine and inside.outcomes[0][0] is not mine

    probe.start(outer())
    assert asyncio.current_task() is me
    assert probe.outcomes == [(True, None)]
    ring = asyncio.Event()

    def from_a_callback() -> None:
        probe.start(inner())
        ring.set()
        assert asyncio.current_task() is None

    asyncio.get_running_loop().call_soon(from_a_callback)
    await ring.wait()


@on_loop
async def test_an_exception_is_an_outcome(make_probe):
    """An exception is an outcome."""
    probe = await make_probe()

    async def fail_at_once() -> None:
        raise ValueError("no")

    async def fail_late() -> None:
        await asyncio.sleep(0)
        raise ValueError("later")

    assert probe.start(fail_at_once()) is None
    assert isinstance(probe.outcomes[0][1], ValueError)
    probe.outcomes.clear()
    probe.ended.clear()
    probe.start(fail_late())
    assert isinstance((await probe.outcome())[1], ValueError)
    gc.collect()  # "exception was never retrieved" would be a complaint


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
@pytest.mark.parametrize("wait", [False, True])
@on_loop
async def test_what_would_end_the_program_is(make_probe, kind, wait):
    """What would end the program is only a failure."""
    probe = await make_probe()

    async def leave() -> None:
        if wait:
            await asyncio.sleep(0)
        raise kind

    probe.start(leave())
    assert isinstance((await probe.outcome())[1], kind)


@on_loop
async def test_a_time_out_inside_fires(make_probe):
    """A time out inside fires."""
    probe = await make_probe()

    async def late() -> str:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        except TimeoutError:
            await asyncio.sleep(0)
            return "timed out"
        return "not"

    probe.start(late())
    assert await probe.outcome() == ("timed out", None)


@on_loop
async def test_a_time_out_inside_that_is(make_probe):
    """A time out inside that is not reached leaves no trace."""
    probe = await make_probe()

    async def quick() -> str:
        async with asyncio.timeout(60):  # noqa: ASYNC100 - the point of it
            return "quick"

    for _ in range(3):
        probe.start(quick())
    assert probe.outcomes == [("quick", None)] * 3


@on_loop
async def test_anyio_finds_its_way_in_and(make_probe):
    """Anyio finds its way in and out."""
    probe = await make_probe()

    async def with_anyio() -> list[str]:
        said = []
        with anyio.move_on_after(0.01) as scope:
            await anyio.sleep_forever()
        said.append(f"cancelled {scope.cancelled_caught}")
        try:
            with anyio.fail_after(0.01):
                await anyio.sleep_forever()
        except TimeoutError:
            said.append("timed out")
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 0)
        return said

    probe.start(with_anyio())
    assert await probe.outcome() == (["cancelled True", "timed out"], None)


@on_loop
async def test_a_task_group_inside_works_and(make_probe):
    """A task group inside works and aborts."""
    probe = await make_probe()

    async def group() -> Any:
        async def fail() -> None:
            raise ValueError("one")

        async with asyncio.TaskGroup() as good:
            first = good.create_task(asyncio.sleep(0, "a"))
        try:
            async with asyncio.TaskGroup() as bad:
                bad.create_task(fail())
                bad.create_task(asyncio.Event().wait())
        except* ValueError as errors:
            count = len(errors.exceptions)
        return first.result(), count

    probe.start(group())
    assert await probe.outcome() == (("a", 1), None)


@on_loop
async def test_contexts_are_apart(make_probe):
    """Contexts are apart."""
    probe = await make_probe()
    colour.set("outside")

    async def paint(name: str) -> tuple[str, str]:
        before = colour.get()
        colour.set(name)
        await asyncio.sleep(0)
        return before, colour.get()

    async def peek() -> str:
        return colour.get()

    probe.start(paint("red"))
    probe.start(paint("blue"))
    probe.start(peek())
    await pause()
    assert [value for value, _ in probe.outcomes] == ["none", ("none", "red"), ("none", "blue")]
    assert colour.get() == "outside"


# Cancellation --------------------------------------------------------------------------------------------------------


async def waits_for(future: asyncio.Future[Any], notes: list[str]) -> str:
    """Note a cancellation, and let it pass."""
    try:
        await future
    except asyncio.CancelledError:
        notes.append("cancelled")
        raise
    return "result"


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@on_loop
async def test_cancelling_reaches_what_the_coroutine_waits(make_probe, turns):
    """Cancelling reaches what the coroutine waits for."""
    probe = await make_probe()
    future = asyncio.get_running_loop().create_future()
    notes: list[str] = []
    task = probe.start(waits_for(future, notes))
    for _ in range(turns):
        await asyncio.sleep(0)
    assert task.cancel()
    value, error = await probe.outcome()
    assert (value, type(error), notes) == (None, asyncio.CancelledError, ["cancelled"])
    assert future.cancelled(), "as Task.cancel does"
    assert task.cancelled()


@on_loop
async def test_cancelling_when_the_future_is_done(make_probe):
    """Cancelling when the future is done already still cancels."""
    probe = await make_probe()
    future = asyncio.get_running_loop().create_future()
    notes: list[str] = []
    task = probe.start(waits_for(future, notes))
    future.set_result(None)
    task.cancel()
    assert isinstance((await probe.outcome())[1], asyncio.CancelledError)
    assert notes == ["cancelled"]


@on_loop
async def test_a_cancelled_coroutine_may_clean_up(make_probe):
    """A cancelled coroutine may clean up and may refuse."""
    probe = await make_probe()

    async def stubborn() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return "stayed"

    task = probe.start(stubborn())
    task.cancel()
    assert await probe.outcome() == ("stayed", None)


@on_loop
async def test_cancelling_a_bare_yield_works(make_probe):
    """Cancelling a bare yield works."""
    probe = await make_probe()

    async def spin() -> None:
        while True:  # noqa: ASYNC110 - the point of it
            await asyncio.sleep(0)

    task = probe.start(spin())
    task.cancel()
    assert isinstance((await probe.outcome())[1], asyncio.CancelledError)


@pytest.mark.parametrize("wait", [False, True])
@pytest.mark.parametrize("uncancel", [False, True])
@on_loop
async def test_cancelling_itself_ends_as_on_a(make_probe, wait, uncancel):
    """Cancelling itself ends as on a real task."""

    async def suicide() -> str:
        task = asyncio.current_task()
        task.cancel()
        if uncancel:
            task.uncancel()
        if wait:
            await pause()
        return "alive"

    probe = await make_probe()
    value, kind = await probe.reference(suicide)
    probe.start(suicide())
    got, error = await probe.outcome()
    assert (got, type(error) if error else None) == (value, kind)

    async def innocent() -> str:
        await asyncio.sleep(0)
        return "fine"

    after = Probe()
    after.starter = probe.starter
    after.start(innocent())
    assert await after.outcome() == ("fine", None), "whoever gets the next shell is not cancelled"


@on_loop
async def test_a_message_given_to_cancel_arrives(make_probe):
    """A message given to cancel arrives."""
    probe = await make_probe()

    async def wait() -> None:
        await asyncio.Event().wait()

    probe.start(wait()).cancel("because")
    assert (await probe.outcome())[1].args in {("because",), ()}  # 3.11 hands it on through the future it cancelled


# Shells --------------------------------------------------------------------------------------------------------------


@on_loop
async def test_a_shell_that_somebody_remembers_is(make_probe):
    """A shell that somebody remembers is not used again."""
    probe = await make_probe()
    kept: list[Any] = []

    async def remember() -> str:
        kept.append(asyncio.current_task())
        return "mine"

    async def remember_weakly() -> str:
        kept.append(weakref.ref(asyncio.current_task()))
        return "mine"

    async def ask_to_be_told() -> str:
        asyncio.current_task().add_done_callback(kept.append)
        return "mine"

    async def schedule() -> str:
        kept.append(asyncio.get_running_loop().call_later(60, asyncio.current_task().cancel))
        return "mine"

    for each in (remember, remember_weakly, ask_to_be_told, schedule):
        probe.start(each())
        assert probe.starter._idle == [], each.__name__
    assert await kept[0] == "mine", "it ends as its coroutine did"
    await asyncio.sleep(0)
    assert any(isinstance(each, asyncio.Task) and each is not kept[0] for each in kept), "callbacks are called"
    kept[2].cancel()


@on_loop
async def test_an_exception_is_told_to_whoever(make_probe):
    """An exception is told to whoever remembers the task."""
    probe = await make_probe()
    kept: list[Any] = []

    async def fail() -> None:
        kept.append(asyncio.current_task())
        raise ValueError("no")

    probe.start(fail())
    with pytest.raises(ValueError, match="no"):
        await kept[0]


@on_loop
async def test_an_unused_shell_is_invisible():
    """An unused shell is invisible."""
    probe = await warmed()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    probe.starter.close()


@on_loop
async def test_no_more_shells_are_kept_than():
    """No more shells are kept than nested starts needed."""
    probe = await warmed()

    def nest(depth: int) -> Any:
        async def step() -> None:
            if depth:
                probe.start(nest(depth - 1)())

        return step

    probe.start(nest(SHELLS_IDLE_MAX + 10)())
    assert 1 < len(probe.starter._idle) <= SHELLS_IDLE_MAX + 1
    await asyncio.sleep(0)


@pytest.mark.parametrize("close", [False, True])
def test_a_loop_may_end_at_any(close, caplog):
    """A loop may end at any time without complaints."""

    async def main() -> None:
        probe = await warmed()

        async def nothing() -> None:
            pass

        async def forever() -> None:
            await asyncio.Event().wait()

        probe.start(forever())  # asyncio.run cancels it
        probe.start(nothing())
        if close:
            probe.starter.close()

    asyncio.run(main())
    loop = asyncio.new_event_loop()

    async def again() -> None:
        await warmed()

    loop.run_until_complete(again())
    loop.close()
    gc.collect()
    assert caplog.records == []


@on_loop
async def test_a_failure_is_freed_without_the(make_probe):
    """A failure is freed without the collector."""
    probe = await make_probe()

    class MarkedError(Exception):
        pass

    async def fail() -> None:
        raise MarkedError

    async def fail_late() -> None:
        await asyncio.sleep(0)
        raise MarkedError

    gc.collect()
    gc.disable()
    try:
        for each in (fail, fail_late):
            probe.ended.clear()
            probe.start(each())
            await probe.ended.wait()
            alive = weakref.ref(probe.outcomes.pop()[1])
            await asyncio.sleep(0)
            assert alive() is None, each.__name__
    finally:
        gc.enable()


@on_loop
async def test_tools_can_look_into_a_waiting(make_probe):
    """Tools can look into a waiting task."""
    probe = await make_probe()
    release = asyncio.Event()

    async def waiting() -> None:
        await release.wait()

    task = probe.start(waiting())
    await asyncio.sleep(0)
    assert task.get_stack()[0].f_code.co_name == "waiting"
    assert "waiting" in repr(task)
    release.set()
    await probe.outcome()


@on_loop
async def test_a_wrong_yield_is_refused_as(make_probe):
    """A wrong yield is refused as asyncio does."""
    probe = await make_probe()

    class Wrong:
        def __await__(self) -> Any:
            yield "not a future"

    async def wrong() -> None:
        await Wrong()

    probe.start(wrong())
    assert isinstance((await probe.outcome())[1], RuntimeError)
