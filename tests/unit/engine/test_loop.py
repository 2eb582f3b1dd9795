"""The loop: one order of callbacks, virtual time, and nothing a replay would not repeat."""

from __future__ import annotations

import asyncio
import contextvars
import math
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from holdfast.engine import loop as loops
from holdfast.engine.futures import StepFuture
from holdfast.engine.loop import REFUSED, WorkflowLoop
from holdfast.errors import LivelockError, NondeterminismError
from tests.errands import fetch
from tests.rehearsal import START, Rehearsal, Script


class Timers:
    """Notes the timers a loop asks for."""

    def __init__(self) -> None:
        self.started: list[tuple[float, float]] = []
        self.fires: list[Callable[[], None]] = []

    def start_timer(self, when: float, seconds: float, fire: Callable[[], None]) -> StepFuture:
        """Start timer."""
        self.started.append((when, seconds))
        self.fires.append(fire)
        return None  # type: ignore[return-value]

    def begin(self) -> None:
        """Allow it."""

    def drop(self, future: StepFuture) -> None:
        """Forget it."""

    def where(self) -> str:
        """Where."""
        return "flow.py:1, in run"


@pytest.fixture
def timers() -> Timers:
    """Timers."""
    return Timers()


@pytest.fixture
def loop(timers: Timers) -> WorkflowLoop:
    """Loop."""
    return WorkflowLoop(timers)


def test_callbacks_run_first_in_first_out_including_those_that_callbacks_add(loop: WorkflowLoop) -> None:
    """Callbacks run first in first out including those that callbacks add."""
    seen: list[str] = []
    loop.call_soon(lambda: (seen.append("a"), loop.call_soon(seen.append, "c")))
    loop.call_soon(seen.append, "b")
    loop.turn()
    assert seen == ["a", "b", "c"]


def test_a_cancelled_callback_does_not_run(loop: WorkflowLoop) -> None:
    """A cancelled callback does not run."""
    seen: list[str] = []
    handle = loop.call_soon(seen.append, "a")
    handle.cancel()
    loop.turn()
    assert seen == []
    assert handle.cancelled()


def test_a_callback_runs_in_the_context_it_was_given(loop: WorkflowLoop) -> None:
    """A callback runs in the context it was given."""
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name")
    context = contextvars.Context()
    context.run(name.set, "inside")
    seen: list[str] = []
    loop.call_soon(lambda: seen.append(name.get("outside")), context=context)
    loop.call_soon(lambda: seen.append(name.get("outside")))
    loop.turn()
    assert seen == ["inside", "outside"]


def test_time_stands_still_within_a_turn(loop: WorkflowLoop) -> None:
    """Time stands still within a turn."""
    seen: list[float] = []
    loop.now = 5.0
    loop.call_soon(lambda: (seen.append(loop.time()), loop.call_soon(lambda: seen.append(loop.time()))))
    loop.turn()
    assert seen == [5.0, 5.0]


def test_a_timer_is_asked_for_with_its_time_and_its_delay(loop: WorkflowLoop, timers: Timers) -> None:
    """A timer is asked for with its time and its delay."""
    loop.now = 100.0
    seen: list[str] = []
    loop.call_later(5, seen.append, "later")
    handle = loop.call_at(130.0, seen.append, "at")
    loop.turn()
    assert seen == []
    assert timers.started == [(105.0, 5), (130.0, 30.0)]
    assert handle.when() == 130.0
    timers.fires[1]()
    loop.turn()
    assert seen == ["at"]


@pytest.mark.parametrize("when", [100.0, 99.0, -1.0, -math.inf])
def test_a_time_that_has_passed_runs_in_the_same_turn_without_a_timer(
    loop: WorkflowLoop, timers: Timers, when: float
) -> None:
    """A time that has passed runs in the same turn without a timer."""
    loop.now = 100.0
    seen: list[str] = []
    loop.call_at(when, seen.append, "x")
    loop.turn()
    assert seen == ["x"]
    assert timers.started == []


def test_what_never_happens_needs_no_timer(loop: WorkflowLoop, timers: Timers) -> None:
    """What never happens needs no timer."""
    handle = loop.call_later(math.inf, lambda: None)
    loop.turn()
    handle.cancel()
    assert timers.started == []


def test_a_delay_that_is_not_a_number_is_refused(loop: WorkflowLoop, timers: Timers) -> None:
    """A delay that is not a number is refused."""
    with pytest.raises(ValueError, match="not a number"):
        loop.call_later(math.nan, lambda: None)
    assert timers.started == []


@pytest.mark.parametrize("method", sorted(REFUSED))
def test_what_a_workflow_may_not_do_is_refused_with_the_place_and_the_remedy(loop: WorkflowLoop, method: str) -> None:
    """What a workflow may not do is refused with the place and the remedy."""
    with pytest.raises(NondeterminismError) as caught:
        getattr(loop, method)()
    assert caught.value.call == f"loop.{method}()"
    assert caught.value.where == "flow.py:1, in run"
    assert caught.value.instead == REFUSED[method]


def test_every_method_of_a_loop_works_or_refuses_or_is_not_for_workflow_code() -> None:
    """Methods that asyncio adds in a new version are noticed here."""
    inherited = {
        name
        for name in dir(asyncio.AbstractEventLoop)
        if not name.startswith("_") and getattr(WorkflowLoop, name) is getattr(asyncio.AbstractEventLoop, name)
    }
    assert inherited == {  # raise NotImplementedError: about the host's own loop
        "close",
        "get_exception_handler",
        "remove_reader",
        "remove_signal_handler",
        "remove_writer",
        "set_debug",
        "set_default_executor",
        "set_exception_handler",
        "set_task_factory",
        "shutdown_asyncgens",
        "shutdown_default_executor",
        "sock_recvfrom",
        "sock_recvfrom_into",
        "sock_sendto",
        "stop",
    }


def test_a_spinning_workflow_is_an_error_that_names_the_limit(
    monkeypatch: pytest.MonkeyPatch, loop: WorkflowLoop
) -> None:
    """A spinning workflow is an error that names the limit."""
    monkeypatch.setattr(loops, "TURN_CALLBACKS_MAX", 50)

    def spin() -> None:
        loop.call_soon(spin)

    loop.call_soon(spin)
    with pytest.raises(LivelockError, match=r"50 callbacks \(TURN_CALLBACKS_MAX\).*flow.py:1"):
        loop.turn()


def test_a_spinning_run_fails_and_says_where(
    monkeypatch: pytest.MonkeyPatch, rehearse: Callable[..., Rehearsal]
) -> None:
    """A spinning run fails and says where."""
    monkeypatch.setattr(loops, "TURN_CALLBACKS_MAX", 500)

    async def run(_: Any) -> None:
        while True:  # noqa: ASYNC110 - spinning is the point
            await asyncio.sleep(0)

    rehearsal = rehearse(Script(run), begin=False)
    (words,) = rehearsal.begin()
    assert words.startswith("failure LivelockError")
    assert "test_loop.py" in words
    assert rehearsal.execution.closed


def test_a_failing_callback_fails_the_run(rehearse: Callable[..., Rehearsal]) -> None:
    """A failing callback fails the run."""

    async def run(_: Any) -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await fetch(1)

    assert rehearse(Script(run), begin=False).begin() == ["failure ZeroDivisionError: division by zero"]


def test_the_host_loop_is_the_running_one_again_after_a_turn(loop: WorkflowLoop) -> None:
    """The host loop is the running one again after a turn."""
    seen: list[Any] = []

    async def host() -> tuple[bool, bool]:
        mine, task = asyncio.get_running_loop(), asyncio.current_task()
        loop.call_soon(lambda: seen.append(asyncio.get_running_loop()))
        loop.turn()
        return asyncio.get_running_loop() is mine, asyncio.current_task() is task

    assert asyncio.run(host()) == (True, True)
    assert seen == [loop]
    loop.call_soon(lambda: seen.append(asyncio.get_running_loop()))
    loop.turn()
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()


def test_the_host_loop_is_restored_after_a_livelock(monkeypatch: pytest.MonkeyPatch, loop: WorkflowLoop) -> None:
    """The host loop is restored after a livelock."""
    monkeypatch.setattr(loops, "TURN_CALLBACKS_MAX", 3)

    async def host() -> bool:
        mine = asyncio.get_running_loop()
        for _ in range(9):
            loop.call_soon(lambda: None)
        with pytest.raises(LivelockError):
            loop.turn()
        return asyncio.get_running_loop() is mine

    assert asyncio.run(host())


def test_a_run_inside_a_hosts_task_has_its_own_current_task(rehearse: Callable[..., Rehearsal]) -> None:
    """A run inside a hosts task has its own current task."""
    seen: list[Any] = []

    async def run(_: Any) -> str:
        mine = asyncio.current_task()
        seen.append(mine)
        await fetch(1)
        return "same" if asyncio.current_task() is mine else "another"

    async def host() -> list[str]:
        own = asyncio.current_task()
        rehearsal = rehearse(Script(run))
        assert asyncio.current_task() is own
        words = rehearsal.complete("fetch#1")
        assert asyncio.current_task() is own
        await asyncio.sleep(0)
        return words

    assert asyncio.run(host()) == ['result "same"']
    assert type(seen[0]).__name__ == "OrderedTask"


def test_time_is_that_of_the_newest_input_and_never_goes_back(rehearse: Callable[..., Rehearsal]) -> None:
    """Time is that of the newest input and never goes back."""

    async def run(_: Any) -> list[float]:
        loop = asyncio.get_running_loop()
        times = []
        for _item in range(3):
            times.append(loop.time() - START)
            await fetch(1)
        return times

    rehearsal = rehearse(Script(run))
    rehearsal.time = START + 10
    rehearsal.complete("fetch#1")
    rehearsal.time = START + 4
    rehearsal.complete("fetch#2")
    assert rehearsal.complete("fetch#3") == ["result [0.0, 10.0, 10.0]"]


def test_a_sleep_is_a_timer_and_cancelling_it_after_it_fired_is_nothing(rehearse: Callable[..., Rehearsal]) -> None:
    """A sleep is a timer and cancelling it after it fired is nothing."""

    async def run(_: Any) -> float:
        loop = asyncio.get_running_loop()
        before = loop.time()
        await asyncio.sleep(30)  # virtual time
        await asyncio.sleep(0)
        await asyncio.sleep(-1)  # virtual time
        return loop.time() - before

    rehearsal = rehearse(Script(run), begin=False)
    assert rehearsal.begin() == ["timer sleep#1 30"]
    assert rehearsal.fire("sleep#1") == ["result 30.0"]


def test_waiting_for_ever_issues_nothing(rehearse: Callable[..., Rehearsal]) -> None:
    """Waiting for ever issues nothing."""

    async def run(_: Any) -> None:
        await asyncio.sleep(math.inf)  # virtual time

    rehearsal = rehearse(Script(run), begin=False)
    assert rehearsal.begin() == []
    assert not rehearsal.execution.closed


def test_the_hosts_context_is_not_the_workflows(rehearse: Callable[..., Rehearsal]) -> None:
    """The hosts context is not the workflows."""
    tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant", default="none")

    async def run(_: Any) -> str:
        return tenant.get()

    def host() -> list[str]:
        tenant.set("host")
        return rehearse(Script(run), begin=False).begin()

    assert contextvars.Context().run(host) == ['result "none"']


def test_create_task_gives_the_future_of_a_step_back(rehearse: Callable[..., Rehearsal]) -> None:
    """Create task gives the future of a step back."""

    async def run(_: Any) -> bool:
        step = fetch(1)
        same = asyncio.create_task(step, name="other") is step and asyncio.ensure_future(step) is step
        await step
        return same and step.get_name() == "fetch#1"

    assert rehearse(Script(run)).complete("fetch#1") == ["result true"]


def test_threads_and_nested_loops_are_refused_inside_a_run(rehearse: Callable[..., Rehearsal]) -> None:
    """Threads and nested loops are refused inside a run."""

    async def run(_: Any) -> list[str]:
        seen = []
        for attempt in (
            lambda: asyncio.to_thread(print),
            lambda: asyncio.get_running_loop().run_in_executor(None, print),
        ):
            try:
                await attempt()
            except NondeterminismError as error:
                seen.append(error.call)
        return seen

    (words,) = rehearse(Script(run), begin=False).begin()
    assert words == 'result ["loop.run_in_executor()", "loop.run_in_executor()"]'


def test_an_async_generator_that_was_left_early_is_not_ended_by_the_garbage_collector(
    rehearse: Callable[..., Rehearsal],
) -> None:
    """An async generator that was left early is not ended by the garbage collector."""
    seen: list[str] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            seen.append("ended")

    async def run(_: Any) -> None:
        async for _number in numbers():
            break
        await fetch(1)
        seen.append("still running")

    async def host() -> None:
        rehearsal = rehearse(Script(run))
        await asyncio.sleep(0)
        rehearsal.complete("fetch#1")

    asyncio.run(host())
    assert seen == ["still running", "ended"]


def test_an_async_generator_that_has_ended_is_not_kept(rehearse: Callable[..., Rehearsal]) -> None:
    """An async generator that has ended is not kept."""

    async def numbers() -> AsyncIterator[int]:
        yield 1

    async def run(_: Any) -> None:
        async for _number in numbers():
            pass
        await fetch(1)

    assert rehearse(Script(run)).execution.loop.generators == {}


def test_the_hosts_async_generators_stay_the_hosts(rehearse: Callable[..., Rehearsal]) -> None:
    """The hosts async generators stay the hosts."""
    seen: list[str] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            seen.append("ended")

    async def run(_: Any) -> None:
        await fetch(1)

    async def host() -> None:
        rehearse(Script(run)).complete("fetch#1")
        await anext(numbers())
        while not seen:  # noqa: ASYNC110 - it is for Python to say when
            await asyncio.sleep(0)

    asyncio.run(host())
    assert seen == ["ended"]


def test_the_first_tasks_of_many_runs_do_not_collide(rehearse: Callable[..., Rehearsal]) -> None:
    """Tasks of all loops are in one set of asyncio's; equal hashes would make it a list."""

    async def run(_: Any) -> None:
        await fetch(1)

    for _ in range(300):
        rehearse(Script(run))
    registry = getattr(asyncio.tasks, "_scheduled_tasks", None) or getattr(asyncio.tasks, "_all_tasks", ())
    hashes = [hash(reference) for reference in getattr(registry, "data", ())]
    assert len(set(hashes)) > len(hashes) * 0.9
