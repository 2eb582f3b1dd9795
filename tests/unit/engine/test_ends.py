"""How runs end: results, failures, cancellations, and what is left of their code."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import warnings
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from holdfast.authoring import lock, now, run_info, uuid4, wait_for_signal
from holdfast.authoring.guard import DeterminismGuard
from holdfast.engine import closing
from holdfast.engine.interrupts import is_of_process
from holdfast.errors import HistoryError, TaskError
from holdfast.history import CompleteRun, FailRun, Failure, TaskOptions
from tests.errands import charge, fetch, undo
from tests.rehearsal import Rehearsal, Script, say

Rehearse = Callable[..., Rehearsal]


def first(rehearse: Rehearse, run: Callable[..., Any], **options: Any) -> tuple[Rehearsal, list[str]]:
    """Return a rehearsal and what its first drain asked for."""
    rehearsal = rehearse(Script(run), begin=False, **options)
    return rehearsal, rehearsal.begin()


# --- Results and failures ----------------------------------------------------------------------------------------


def test_a_result_that_cannot_be_written_fails_the_run(rehearse: Rehearse) -> None:
    """Encoding is the run's own affair, whatever it raises."""

    async def run(_: Any) -> Any:
        return object()

    (words,) = first(rehearse, run)[1]
    assert words.startswith("failure TypeError: Object of type object is not JSON serializable")


def test_a_result_whose_type_exits_fails_the_run(rehearse: Rehearse) -> None:
    """Even SystemExit, raised by a serializer."""

    class Exiting(Script):
        def encode_result(self, value: Any) -> bytes:
            """Encode result."""
            raise SystemExit(value)

    async def run(_: Any) -> int:
        return 3

    assert rehearse(Exiting(run), begin=False).begin() == ["failure SystemExit: 3"]


def test_input_that_does_not_fit_fails_the_run(rehearse: Rehearse) -> None:
    """Starting is the run's own affair, too."""

    class Picky(Script):
        def start(self, payload: bytes) -> Any:  # noqa: ARG002 - it does not look
            """Start."""
            raise ValueError("unfit")

    async def run(_: Any) -> None:
        """Never runs."""

    assert rehearse(Picky(run), begin=False).begin() == ["failure ValueError: unfit"]


def test_a_failed_step_nobody_awaited_fails_the_run(rehearse: Rehearse) -> None:
    """Nothing fails silently: a step, a task, in whichever drain."""

    async def child() -> None:
        raise KeyError("x")

    async def step(_: Any) -> int:
        fetch()
        await charge()
        return 1

    async def task(_: Any) -> int:
        asyncio.create_task(child())  # noqa: RUF006 - nobody holds it: that is the point
        await charge()
        return 1

    rehearsal, _ = first(rehearse, step)
    rehearsal.fail("fetch#1")
    (words,) = rehearsal.complete("charge#1")
    assert words.startswith("failure TaskError: [HF501] task fetch#1 failed")
    rehearsal, _ = first(rehearse, task)
    assert rehearsal.complete("charge#1") == ["failure KeyError: 'x'"]


def test_a_failure_that_was_looked_at_does_not_fail_the_run(rehearse: Rehearse) -> None:
    """Awaiting it is enough, and so is asking for it; and what was looked at is not kept."""

    async def run(_: Any) -> int:
        seen = 0
        for _item in range(3):
            try:
                await fetch()
            except TaskError:
                seen += 1
        step = fetch()
        await asyncio.wait([step])
        assert step.exception() is not None
        await charge()
        return seen

    rehearsal, _ = first(rehearse, run)
    for number in range(1, 5):
        rehearsal.fail(f"fetch#{number}")
    assert rehearsal.execution.loop.failed == []
    assert rehearsal.complete("charge#1") == ["result 3"]


def test_an_exception_whose_own_methods_fail(rehearse: Rehearse) -> None:
    """A failure is described however broken the exception is."""

    class BrokenError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

        __repr__ = __str__

    async def run(_: Any) -> None:
        raise BrokenError

    (words,) = first(rehearse, run)[1]
    assert words == "failure BrokenError: <BrokenError.__str__ raised RuntimeError>"


def test_what_was_raised_keeps_its_causes_and_its_traceback(rehearse: Rehearse) -> None:
    """A failure says where it came from."""

    async def run(_: Any) -> None:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise ValueError("outer") from error

    rehearsal, _ = first(rehearse, run)
    (issued,) = rehearsal.issued
    assert isinstance(issued.command, FailRun)
    failure = issued.command.failure
    assert failure.cause is not None
    assert failure.cause.type == "KeyError"
    assert 'raise ValueError("outer") from error' in failure.traceback


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit, BaseException])
@pytest.mark.parametrize("place", ["run", "task", "callback", "signal", "after a step", "decoding"])
def test_nothing_workflow_code_raises_reaches_the_host(
    rehearse: Rehearse, error: type[BaseException], place: str
) -> None:
    """Exits and interrupts that the code raises itself fail the run, and nothing else."""

    async def child() -> None:
        raise error("out")

    def explode(*_: Any) -> None:
        raise error("out")

    async def run(_: Any) -> None:
        if place == "run":
            await child()
        if place == "task":
            task = asyncio.create_task(child())
            try:
                await task
            except asyncio.CancelledError:
                raise
            except BaseException:  # even a run that hides it has failed
                if error in (GeneratorExit, BaseException):
                    raise
        if place == "callback":
            asyncio.get_running_loop().call_soon(explode)
        if place == "decoding":
            from holdfast.ports.runtime import current_runtime

            await current_runtime.get().issue_task("fetch", b"1", TaskOptions(), None, explode)
        await fetch()
        if place == "after a step":
            explode()
        await charge()

    rehearsal = rehearse(Script(run, signals={"s": explode}), begin=False)

    async def host() -> list[str]:
        words = rehearsal.begin()
        if place == "signal":
            words = rehearsal.signal("s")
        if place in ("after a step", "decoding"):
            words = rehearsal.complete("fetch#1")
        return words

    assert asyncio.run(host())[-1] == f"failure {error.__name__}: out"
    assert rehearsal.execution.closed
    assert not rehearsal.execution.tainted


def test_an_update_that_exits_is_the_runs_failure(rehearse: Rehearse) -> None:
    """SystemExit from an update handler is answered, and does not end the process."""

    def explode(*_: Any) -> None:
        raise SystemExit(4)

    async def explode_later(*_: Any) -> None:
        explode()

    async def run(_: Any) -> None:
        await fetch()

    for handler in (explode, explode_later):
        rehearsal = rehearse(Script(run, updates={"u": handler}))
        words = rehearsal.update("u1", "u")
        assert words[-1] == "failure SystemExit: 4"
        assert any(word.startswith("answer u1 failed") for word in words)


def test_a_signal_to_the_process_is_not_the_runs_failure(rehearse: Rehearse) -> None:
    """Ctrl-C in the middle of a drain stops the process, and decides nothing."""

    async def run(_: Any) -> None:
        await fetch()
        os.kill(os.getpid(), signal.SIGINT)
        for _item in range(1_000_000):
            pass

    rehearsal, _ = first(rehearse, run)
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            rehearsal.complete("fetch#1")
    finally:
        signal.signal(signal.SIGINT, previous)
    assert rehearsal.execution.tainted
    assert not rehearsal.execution.closed
    assert [say(each) for each in rehearsal.issued] == ["task fetch#1 null"]


def test_a_handler_of_the_process_that_exits_is_not_the_runs_failure(rehearse: Rehearse) -> None:
    """`signal.signal(SIGTERM, lambda *_: sys.exit())` still works."""

    def leave(*_: Any) -> None:
        raise SystemExit(0)

    async def run(_: Any) -> None:
        os.kill(os.getpid(), signal.SIGUSR1)
        for _item in range(1_000_000):
            pass

    previous = signal.signal(signal.SIGUSR1, leave)
    try:
        with pytest.raises(SystemExit):
            first(rehearse, run)
    finally:
        signal.signal(signal.SIGUSR1, previous)


def test_interrupts_are_told_apart() -> None:
    """A raise is the code's own, also when it is raised again; a handler's is the process's."""

    def raised(*, again: bool) -> BaseException:
        try:
            try:
                raise KeyboardInterrupt
            except KeyboardInterrupt:
                if again:
                    raise
                return KeyboardInterrupt()
        except KeyboardInterrupt as error:
            return error

    assert not is_of_process(raised(again=True))
    assert not is_of_process(raised(again=False))
    assert not is_of_process(SystemExit())


# --- Cancellation ------------------------------------------------------------------------------------------------


def test_cancelling_gives_time_to_clean_up(rehearse: Rehearse) -> None:
    """The code sees CancelledError, and may await tasks before it ends."""

    async def run(_: Any) -> None:
        try:
            await fetch()
        except asyncio.CancelledError as error:
            await undo(str(error))
            await asyncio.sleep(5)  # virtual time
            raise

    rehearsal, _ = first(rehearse, run)
    assert rehearsal.cancel("too late") == ["cancel fetch#1", 'task undo#1 "too late"']
    assert rehearsal.complete("undo#1") == ["timer sleep#1 5"]
    assert rehearsal.fire("sleep#1") == ["cancelled too late"]


def test_a_cancellation_may_be_swallowed(rehearse: Rehearse) -> None:
    """A run that goes on ends as it would have; it can be cancelled again."""

    async def run(_: Any) -> str:
        for _item in range(2):
            try:
                await fetch()
            except asyncio.CancelledError:
                continue
        return "done anyway"

    rehearsal, _ = first(rehearse, run)
    assert rehearsal.cancel() == ["cancel fetch#1", "task fetch#2 null"]
    assert rehearsal.cancel() == ["cancel fetch#2", 'result "done anyway"']


def test_a_clean_up_that_fails_fails_the_run(rehearse: Rehearse) -> None:
    """The failure is what there is to know."""

    async def run(_: Any) -> None:
        try:
            await fetch()
        finally:
            await undo()

    rehearsal, _ = first(rehearse, run)
    rehearsal.cancel()
    assert rehearsal.fail("undo#1")[0].startswith("failure TaskError")


def test_cancelled_error_without_a_cancellation_is_a_failure(rehearse: Rehearse) -> None:
    """A run that trips over its own cancelled task was not cancelled by anybody."""

    async def run(_: Any) -> None:
        step = fetch()
        await charge()
        step.cancel()
        await step

    rehearsal, _ = first(rehearse, run)
    assert rehearsal.complete("charge#1") == ["cancel fetch#1", "failure CancelledError: "]


def test_a_run_cancelled_in_the_page_of_its_start(rehearse: Rehearse) -> None:
    """Nothing of it is lost, whatever comes first."""

    async def run(_: Any) -> None:
        await fetch()

    rehearsal, _ = first(rehearse, run)
    assert rehearsal.cancel("x") == ["cancel fetch#1", "cancelled x"]
    assert rehearsal.cancel("again") == []


def test_cancelling_a_group_inside(rehearse: Rehearse) -> None:
    """Members of a group clean up side by side."""

    async def member(item: int) -> None:
        try:
            await fetch(item)
        finally:
            await undo(item)

    async def run(_: Any) -> None:
        async with asyncio.TaskGroup() as group:
            for item in range(3):
                group.create_task(member(item))

    rehearsal, _ = first(rehearse, run)
    words = rehearsal.cancel("x")
    assert words == [*(f"cancel fetch#{n}" for n in (1, 2, 3)), *(f"task undo#{n} {n - 1}" for n in (1, 2, 3))]
    rehearsal.complete("undo#2")
    rehearsal.complete("undo#1")
    assert rehearsal.complete("undo#3") == ["cancelled x"]


# --- What is left at the end -------------------------------------------------------------------------------------


def test_coroutines_left_behind_are_ended_with_the_run(rehearse: Rehearse) -> None:
    """They may clean up for the rest of the drain; what waits longer is cut off, not left to the collector."""
    seen: list[str] = []

    async def straggler(item: int) -> None:
        try:
            await fetch(item)
        finally:
            seen.append(f"cancelled {item}")
            try:
                await undo(item)
            finally:
                seen.append(f"ended {item}")

    async def run(_: Any) -> str:
        for item in range(2):
            asyncio.create_task(straggler(item))  # noqa: RUF006 - left behind on purpose
        await charge()
        return "ok"

    rehearsal, _ = first(rehearse, run)
    assert rehearsal.complete("charge#1") == ["cancel fetch#1", "cancel fetch#2", 'result "ok"']
    assert seen == ["cancelled 0", "cancelled 1", "ended 0", "ended 1"]
    assert not rehearsal.execution.loop.tasks


def test_a_straggler_cannot_ask_for_anything_after_the_end(rehearse: Rehearse) -> None:
    """The closing command is the last."""

    async def straggler() -> None:
        while True:
            try:
                await wait_for_signal("never")
            except asyncio.CancelledError:
                continue
            except BaseException:  # noqa: BLE001 - the worst that code can do
                fetch("too late")

    async def run(_: Any) -> None:
        asyncio.create_task(straggler())  # noqa: RUF006 - left behind on purpose
        await charge()

    rehearsal, _ = first(rehearse, run)
    assert rehearsal.complete("charge#1") == ["result null"]
    assert isinstance(rehearsal.issued[-1].command, CompleteRun)


def test_an_async_generators_clean_up_at_the_end_is_not_the_runs_failure(rehearse: Rehearse) -> None:
    """As in asyncio: what fails there is noted, and the result stands."""

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            raise RuntimeError("too late")

    async def run(_: Any) -> int:
        async for number in numbers():
            return number
        return 0

    rehearsal, words = first(rehearse, run)
    assert words == ["result 1"]
    assert rehearsal.execution.warnings == ["as it was ended, workflow code raised RuntimeError"]


# --- Eviction ----------------------------------------------------------------------------------------------------


SEEN: list[Any] = []


async def with_finally_that_issues(_: Any) -> None:
    """With finally that issues."""
    try:
        await fetch()
    finally:
        SEEN.append("finally")
        await charge("never")


async def with_finally_that_waits(_: Any) -> None:
    """With finally that waits."""
    try:
        await fetch()
    finally:
        for _item in range(3):
            try:
                await asyncio.Event().wait()
            finally:
                SEEN.append("waited")


async def with_finally_that_swallows(_: Any) -> None:
    """With finally that swallows."""
    try:
        await fetch()
    except BaseException:  # noqa: BLE001 - the worst that code can do
        SEEN.append("swallowed")
    charge("never")


async def with_finally_that_raises(_: Any) -> None:
    """With finally that raises."""
    try:
        await fetch()
    finally:
        raise ValueError("in the way")


async def with_finally_that_starts_a_task(_: Any) -> None:
    """With finally that starts a task."""
    try:
        await fetch()
    finally:
        asyncio.create_task(asyncio.sleep(1))  # noqa: RUF006 - refused  # virtual time


async def with_finally_that_sleeps(_: Any) -> None:
    """With finally that sleeps."""
    try:
        await fetch()
    finally:
        await asyncio.sleep(1)  # virtual time


async def with_finally_that_reads(_: Any) -> None:
    """With finally that reads."""
    try:
        await fetch()
    finally:
        SEEN.append((now().year, run_info().run_id))
        uuid4()


async def with_everything_open(_: Any) -> None:
    """With everything open."""
    async with asyncio.timeout(50), asyncio.TaskGroup() as group, lock("a"), asyncio.Semaphore(1), asyncio.Lock():
        group.create_task(with_finally_that_waits(None))
        group.create_task(fetch())
        await asyncio.gather(fetch(), asyncio.create_task(asyncio.sleep(5)), return_exceptions=True)  # virtual time


async def with_a_condition(_: Any) -> None:
    """With a condition."""
    condition = asyncio.Condition()
    async with condition:
        await condition.wait()


async def with_a_generator(_: Any) -> None:
    """With a generator."""

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            await fetch()
            yield 2
        finally:
            SEEN.append("generator")
            await charge("never")

    async for _number in numbers():
        async for _other in numbers():
            break


async def with_children(_: Any) -> None:
    """With children."""
    tasks = [asyncio.create_task(with_finally_that_issues(None)) for _item in range(3)]
    await asyncio.shield(asyncio.gather(*tasks))


async def with_a_queue(_: Any) -> None:
    """With a queue."""
    queue: asyncio.Queue[int] = asyncio.Queue()
    consumer = asyncio.create_task(queue.get())
    await asyncio.wait([consumer, fetch()])


PLANTED = [value for name, value in sorted(globals().items()) if name.startswith("with_")]


@pytest.mark.parametrize("grant", [False, True])
@pytest.mark.parametrize("run", PLANTED)
def test_eviction_ends_all_code_and_issues_nothing(
    rehearse: Rehearse, run: Callable[..., Any], grant: bool, recwarn: pytest.WarningsRecorder
) -> None:
    """Whatever stands in a `finally`: no command, no warning, no reference, and the run is recovered as it was."""
    SEEN.clear()
    rehearsal, words = first(rehearse, run)
    if grant and "lock(a)#1" in rehearsal.execution.open:
        words += rehearsal.grant("lock(a)#1")
        words.remove("acquire lock(a)#1")
    rehearsal.page()  # what was asked for is written
    execution = rehearsal.execution
    issued = execution.issued
    loop = execution.loop
    coroutines = [task.get_coro() for task in loop.tasks]

    async def host() -> None:
        mine = asyncio.current_task()
        execution.evict()  # noqa: F821 - deleted below, after this has run
        execution.evict()  # noqa: F821 - as above
        assert asyncio.current_task() is mine
        assert asyncio.all_tasks() == {mine}

    asyncio.run(host())
    assert execution.issued == issued
    assert all(each.cr_frame is None for each in coroutines)
    with pytest.raises(HistoryError, match="left memory"):
        rehearsal.cancel()
    rehearsal.history.pop()
    rehearsal.boundaries.pop()
    again, tail = rehearsal.recover()
    assert tail == []
    assert sorted(again.idle_steps) == sorted({word.split()[1] for word in words})
    again.evict()
    reference = weakref.ref(execution)
    rehearsal.execution = again
    del execution, again, loop, coroutines
    gc.collect()
    assert reference() is None
    assert [str(each.message) for each in recwarn] == []


async def simply_waiting(_: Any) -> None:
    """Simply waiting."""
    async with asyncio.timeout(100):
        await asyncio.sleep(50)  # virtual time


async def simply_calling(_: Any) -> None:
    """Simply calling."""
    await fetch()


@pytest.mark.parametrize("run", [simply_waiting, simply_calling, with_children, with_a_queue, with_a_condition])
def test_the_memory_of_a_sleeping_run_comes_back_at_once(run: Callable[..., Any]) -> None:
    """No cycle waits for the collector."""
    rehearsal = Rehearsal(Script(run))
    rehearsal.begin()
    execution, loop = weakref.ref(rehearsal.execution), weakref.ref(rehearsal.execution.loop)
    gc.collect()
    gc.disable()
    try:
        rehearsal.end()
        rehearsal.issued.clear()
        rehearsal.unrecorded.clear()
        del rehearsal.execution  # it knows the rehearsal, which opens its fan-outs
        assert (execution(), loop()) == (None, None)
    finally:
        gc.enable()


def test_the_memory_of_an_ended_run_is_given_back(rehearse: Rehearse) -> None:
    """Nothing outside keeps an execution that is over."""

    async def run(_: Any) -> int:
        async with asyncio.TaskGroup() as group:
            group.create_task(fetch())
        return 1

    rehearsal = Rehearsal(Script(run))
    rehearsal.begin()
    rehearsal.complete("fetch#1")
    reference = weakref.ref(rehearsal.execution)
    rehearsal.end()
    del rehearsal
    gc.collect()
    assert reference() is None


def test_code_that_goes_on_for_ever_is_given_up() -> None:
    """A coroutine that ignores its end is told so often, and no more."""

    async def immortal() -> None:
        while True:
            try:
                await asyncio.sleep(0)
            except BaseException:  # noqa: BLE001 - the worst that code can do
                continue

    coroutine = immortal()
    coroutine.send(None)
    error = closing.close(coroutine)
    assert "CLOSES_MAX" in str(error)
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.unraisablehook", lambda _: None)  # what Python says when it gives up, too
        del coroutine


def test_the_guard_is_on_wherever_users_code_runs(rehearse: Rehearse) -> None:
    """In drains, decoding, encoding, queries and clean-ups, and off afterwards."""
    import time

    from holdfast.errors import NondeterminismError

    caught: list[str] = []

    def look(place: str) -> None:
        try:
            time.time()
        except NondeterminismError:
            caught.append(place)

    class Watching(Script):
        def encode_result(self, value: Any) -> bytes:
            """Encode result."""
            look("encoding")
            return super().encode_result(value)

    def decode(_: bytes) -> None:
        look("decoding")

    async def straggler() -> None:
        try:
            await fetch()
        except asyncio.CancelledError:
            look("clean-up")
            await wait_for_signal("never")
        finally:
            look("eviction")

    async def run(_: Any) -> None:
        from holdfast.ports.runtime import current_runtime

        look("drain")
        asyncio.create_task(straggler())  # noqa: RUF006 - left behind on purpose
        await current_runtime.get().issue_task("fetch", b"1", TaskOptions(), None, decode)

    program = Watching(run, queries={"q": lambda *_: look("query")}, signals={"s": lambda *_: look("signal")})
    rehearsal = rehearse(program, guard=DeterminismGuard())
    rehearsal.query("q")
    rehearsal.signal("s")
    rehearsal.complete("fetch#1")
    assert caught == ["drain", "query", "signal", "decoding", "encoding", "clean-up", "eviction"]
    time.time()


def test_a_failure_is_a_value(rehearse: Rehearse) -> None:
    """What a run failed with is recorded, and not held on to."""

    async def run(_: Any) -> None:
        raise ValueError("x")

    rehearsal, _ = first(rehearse, run)
    command = rehearsal.issued[0].command
    assert isinstance(command, FailRun)
    assert isinstance(command.failure, Failure)
    assert rehearsal.execution.code.fatal is None
