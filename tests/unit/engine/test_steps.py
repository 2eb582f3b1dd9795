"""Steps: their names, their outcomes, what becomes of those that are not wanted any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from holdfast.authoring import lock, map_tasks, now, random, run_info, semaphore, uuid4
from holdfast.errors import DuplicateKeyError, HistoryError, TaskError, TaskTimeoutError
from holdfast.history import Failure, ScheduleTask, TaskCompleted
from tests.errands import charge, fetch
from tests.rehearsal import START, Rehearsal, Script, signal_of

Rehearse = Callable[..., Rehearsal]


def first(rehearse: Rehearse, run: Callable[..., Any], **options: Any) -> tuple[Rehearsal, list[str]]:
    """Return a rehearsal and what its first drain asked for."""
    rehearsal = rehearse(Script(run), begin=False, **options)
    return rehearsal, rehearsal.begin()


# --- Names -------------------------------------------------------------------------------------------------------


def test_steps_are_numbered_by_name(rehearse: Rehearse) -> None:
    """Each name counts for itself, and a keyed call does not count."""

    async def run(_: Any) -> None:
        await asyncio.gather(
            fetch(1),
            charge(2),
            fetch.options(key="doc")(3),
            fetch(4),
            asyncio.sleep(1),  # virtual time
            asyncio.sleep(2),  # virtual time
        )

    _, words = first(rehearse, run)
    assert words == [
        "task fetch#1 1",
        "task charge#1 2",
        "task fetch[doc] 3",
        "task fetch#2 4",
        "timer sleep#1 1",
        "timer sleep#2 2",
    ]


def test_a_key_used_twice_is_an_error_with_both_lines(rehearse: Rehearse) -> None:
    """The error names the key, where it was used first and where again."""
    seen: list[DuplicateKeyError] = []

    async def run(_: Any) -> None:
        fetch.options(key="doc")(1)
        try:
            fetch.options(key="doc")(2)
        except DuplicateKeyError as error:
            seen.append(error)
        await charge()

    _, words = first(rehearse, run)
    assert words == ["task fetch[doc] 1", "task charge#1 null"]
    (error,) = seen
    line = run.__code__.co_firstlineno
    assert error.step == "fetch[doc]"
    assert error.first.startswith(f"{__file__}:{line + 1}, in ")
    assert error.second.startswith(f"{__file__}:{line + 3}, in ")


def test_a_key_stays_used(rehearse: Rehearse) -> None:
    """Also after its step was cancelled or is over: it names one step of one execution."""

    async def run(_: Any) -> None:
        fetch.options(key="a")(1).cancel()
        await fetch.options(key="b")(1)
        for key in "ab":
            try:
                fetch.options(key=key)(2)
            except DuplicateKeyError:
                await charge(key)

    rehearsal, _ = first(rehearse, run)
    assert rehearsal.complete("fetch[b]") == ['task charge#1 "a"']
    assert rehearsal.complete("charge#1") == ['task charge#2 "b"']


# --- Outcomes ----------------------------------------------------------------------------------------------------


def test_failure(rehearse: Rehearse) -> None:
    """A failed task raises TaskError with what is recorded of it."""

    async def run(_: Any) -> list[Any]:
        try:
            await fetch(1)
        except TaskError as error:
            return [error.step, error.type, error.text, error.attempts]
        return []

    rehearsal, _ = first(rehearse, run)
    assert rehearsal.fail("fetch#1", "KeyError", "x") == ['result ["fetch#1", "KeyError", "x", 1]']


def test_time_out(rehearse: Rehearse) -> None:
    """A task out of time raises TaskTimeoutError, which is a TimeoutError."""

    async def run(_: Any) -> list[Any]:
        try:
            await fetch(1)
        except TimeoutError as error:
            return [error.step, error.timeout] if isinstance(error, TaskTimeoutError) else []
        return []

    rehearsal, _ = first(rehearse, run)
    assert rehearsal.time_out("fetch#1") == ['result ["fetch#1", "attempt"]']


def test_an_unhandled_failure_fails_the_run(rehearse: Rehearse) -> None:
    """What the run does not catch is its own failure, with the cause."""

    async def run(_: Any) -> None:
        await fetch(1)

    rehearsal, _ = first(rehearse, run)
    (words,) = rehearsal.fail("fetch#1", "KeyError", "x")
    assert words == "failure TaskError: [HF501] task fetch#1 failed after 1 attempt: KeyError: x"


def test_an_outcome_that_does_not_fit_fails_its_step_only(rehearse: Rehearse) -> None:
    """What decoding raises reaches the code that awaits the step, whatever it is."""

    class BrokenError(Exception):
        """An error of a user's type."""

    def issue(error: type[BaseException]) -> Any:
        from holdfast.history import TaskOptions
        from holdfast.ports.runtime import current_runtime

        def decode(_: bytes) -> Any:
            raise error

        return current_runtime.get().issue_task("fetch", b"1", TaskOptions(), None, decode)

    async def run(_: Any) -> list[str]:
        seen = []
        for error in (BrokenError, StopIteration, KeyError):
            try:
                await issue(error)
            except Exception as caught:  # noqa: BLE001 - named in the result
                seen.append(type(caught).__name__)
        return seen

    rehearsal, _ = first(rehearse, run)
    rehearsal.complete("fetch#1")
    rehearsal.complete("fetch#2")
    assert rehearsal.complete("fetch#3") == ['result ["BrokenError", "RuntimeError", "KeyError"]']


def test_an_outcome_of_nothing_is_refused(rehearse: Rehearse) -> None:
    """An outcome must be about a step that is under way."""

    async def run(_: Any) -> None:
        await fetch(1)
        await charge(1)

    rehearsal, _ = first(rehearse, run)
    with pytest.raises(HistoryError, match="charge#1 is recorded, but the code did not ask"):
        rehearsal.complete("charge#1")
    rehearsal.complete("fetch#1")
    with pytest.raises(HistoryError, match="fetch#1"):
        rehearsal.complete("fetch#1")


def test_an_outcome_of_another_kind_is_refused(rehearse: Rehearse) -> None:
    """A timer does not fail, and a task does not fire."""

    async def run(_: Any) -> None:
        await asyncio.sleep(1)  # virtual time

    rehearsal, _ = first(rehearse, run)
    with pytest.raises(HistoryError, match="sleep#1 is OPEN: FAIL is illegal"):
        rehearsal.fail("sleep#1")


# --- Not wanted any more -----------------------------------------------------------------------------------------


def test_cancelled_in_the_drain_that_issued_it(rehearse: Rehearse) -> None:
    """It leaves nothing behind but a gap in the ordinals."""

    async def run(_: Any) -> None:
        fetch(1).cancel()
        kept = fetch(2)
        timer = asyncio.create_task(asyncio.sleep(5))  # virtual time
        await asyncio.sleep(0)
        timer.cancel()
        await kept

    rehearsal, words = first(rehearse, run)
    assert words == ["task fetch#2 2"]
    assert [each.ordinal for each in rehearsal.issued] == [1]
    assert rehearsal.execution.issued == 3
    assert rehearsal.execution.idle_steps == ("fetch#2",)
    rehearsal.complete("fetch#2")
    rehearsal.close()
    rehearsal.recover()[0].evict()


def test_cancelled_in_the_same_drain_while_awaited(rehearse: Rehearse) -> None:
    """A task that is cancelled at its first wait leaves no command either."""

    async def child() -> None:
        await fetch(1)

    async def run(_: Any) -> None:
        task = asyncio.create_task(child())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        await charge()

    assert first(rehearse, run)[1] == ["task charge#1 null"]


def test_cancelled_later(rehearse: Rehearse) -> None:
    """It is cancelled by a command, and cancelling it again is nothing."""

    async def run(_: Any) -> list[bool]:
        step = fetch(1)
        await charge()
        return [step.cancel(), step.cancel(), step.cancelled()]

    rehearsal, _ = first(rehearse, run)
    assert rehearsal.complete("charge#1") == ["cancel fetch#1", "result [true, false, true]"]


def test_an_outcome_that_crosses_a_cancellation(rehearse: Rehearse) -> None:
    """Both stand in history; the code saw the cancellation, and the outcome changes nothing."""

    async def run(_: Any) -> str:
        step = fetch(1)
        await charge()
        step.cancel()
        await charge()
        return "cancelled" if step.cancelled() else "done"

    rehearsal, _ = first(rehearse, run)
    words = rehearsal.page(TaskCompleted(START, 0, "charge#1", b"null"), TaskCompleted(START, 0, "fetch#1", b"1"))
    assert words == ["cancel fetch#1", "task charge#2 null"]
    rehearsal.complete("charge#2")
    assert rehearsal.close()[-1].result == b'"cancelled"'
    rehearsal.recover()[0].evict()


def test_steps_under_way_at_the_end_are_cancelled(rehearse: Rehearse) -> None:
    """First those that coroutines left behind wait for, then those that nobody waits for."""

    async def run(_: Any) -> None:
        pending = [fetch(1), asyncio.create_task(asyncio.sleep(9)), map_tasks(fetch, [1, 2])]  # virtual time
        pending.append(asyncio.create_task(lock("a").__aenter__()))
        await charge()

    rehearsal, words = first(rehearse, run)
    assert words == ["task fetch#1 1", "map map#1 2", "task charge#1 null", "timer sleep#1 9", "acquire lock(a)#1"]
    assert rehearsal.complete("charge#1") == [
        "release lock(a)#1",
        "cancel sleep#1",
        "cancel fetch#1",
        "cancel map#1",
        "result null",
    ]


# --- Locks -------------------------------------------------------------------------------------------------------


def test_lock(rehearse: Rehearse) -> None:
    """A lock is asked for, granted with a token, and given back at the end of its block."""

    async def run(_: Any) -> int:
        async with lock("account") as held:
            await fetch(held.token)
        await charge()
        return held.token

    rehearsal, words = first(rehearse, run)
    assert words == ["acquire lock(account)#1"]
    assert rehearsal.grant("lock(account)#1", 77) == ["task fetch#1 77"]
    assert rehearsal.complete("fetch#1") == ["release lock(account)#1", "task charge#1 null"]
    assert rehearsal.complete("charge#1") == ["result 77"]


def test_lock_cancelled_in_line(rehearse: Rehearse) -> None:
    """Who stops waiting leaves the line; a grant that crosses it is given back by the same command."""

    async def run(_: Any) -> str:
        try:
            async with asyncio.timeout(5), lock("a"):
                await fetch()
        except TimeoutError:
            await charge()
        return "late"

    rehearsal, words = first(rehearse, run)
    assert words == ["timer sleep#1 5", "acquire lock(a)#1"]
    from holdfast.history import LockGranted, TimerFired

    words = rehearsal.page(TimerFired(START + 5, 0, "sleep#1"), LockGranted(START + 5, 0, "lock(a)#1", 3))
    assert words == ["release lock(a)#1", "task charge#1 null"]
    assert rehearsal.complete("charge#1") == ['result "late"']
    rehearsal.close()
    rehearsal.recover()[0].evict()


def test_lock_cancelled_as_it_was_granted(rehearse: Rehearse) -> None:
    """A grant that the code never came to see is given back."""

    async def holder() -> None:
        async with lock("a"):
            await fetch()

    async def run(_: Any) -> None:
        task = asyncio.create_task(holder())
        await asyncio.sleep(0)
        step = rehearsal.execution.open["lock(a)#1"]
        step.add_done_callback(lambda _: task.cancel())
        await asyncio.wait([task])
        await charge()

    rehearsal = rehearse(Script(run), begin=False)
    rehearsal.begin()
    assert rehearsal.grant("lock(a)#1") == ["release lock(a)#1", "task charge#1 null"]


def test_lock_cancelled_while_held(rehearse: Rehearse) -> None:
    """Cancelling the run gives the lock back before it ends."""

    async def run(_: Any) -> None:
        async with lock("a"):
            await fetch()

    rehearsal, _ = first(rehearse, run)
    rehearsal.grant("lock(a)#1")
    assert rehearsal.cancel("x") == ["cancel fetch#1", "release lock(a)#1", "cancelled x"]


def test_locks_still_held_at_the_end_are_given_back(rehearse: Rehearse) -> None:
    """Whichever way the run ends."""

    async def holder() -> None:
        async with lock("a"), semaphore("b", 3):
            await fetch()

    async def run(_: Any) -> None:
        asyncio.create_task(holder())  # noqa: RUF006 - it is left to the end of the run
        await charge()
        raise ValueError("bad")

    rehearsal, _ = first(rehearse, run)
    rehearsal.grant("lock(a)#1")
    rehearsal.grant("lock(b)#1")
    assert rehearsal.complete("charge#1") == [
        "cancel fetch#1",
        "release lock(b)#1",
        "release lock(a)#1",
        "failure ValueError: bad",
    ]


# --- Fan-outs ----------------------------------------------------------------------------------------------------


def test_fan_out(rehearse: Rehearse) -> None:
    """One command for all items, one outcome for all."""

    async def run(_: Any) -> list[Any]:
        return list(await map_tasks(fetch, ["a", "b"]))

    rehearsal, words = first(rehearse, run)
    assert words == ["map map#1 2"]
    assert rehearsal.fan_out("map#1", [(True, 1), (True, 2)]) == ["result [1, 2]"]
    rehearsal.close()
    rehearsal.recover()[0].evict()


def test_fan_out_failure(rehearse: Rehearse) -> None:
    """Too many failed items raise, and name the first."""

    async def run(_: Any) -> None:
        await map_tasks(fetch, ["a", "b"])

    rehearsal, _ = first(rehearse, run)
    (words,) = rehearsal.fan_out("map#1", [(True, 1), (False, Failure("KeyError", "x"))])
    assert words == "failure FanOutError: [HF503] 1 item(s) of map#1 failed; first, item 1: KeyError: x"


def test_fan_out_of_other_items_is_another_input(rehearse: Rehearse) -> None:
    """The digest tells one list of items from another, also where the bytes join alike."""

    async def run(_: Any) -> None:
        map_tasks(fetch, [1, 23])
        map_tasks(fetch, [12, 3])
        await map_tasks(fetch, [1, 23])

    rehearsal, _ = first(rehearse, run)
    digests = [each.command.digest for each in rehearsal.issued]
    assert digests[0] == digests[2] != digests[1]


# --- What a run may know -----------------------------------------------------------------------------------------


def test_random_and_uuid4_repeat(rehearse: Rehearse) -> None:
    """They depend on the run's seed and the order of draws, and on nothing else."""

    async def run(_: Any) -> list[Any]:
        drawn: list[Any] = [random().random(), str(uuid4())]
        await fetch()
        return [*drawn, random().randint(1, 10**9), str(uuid4())]

    def outcome(seed: int) -> str:
        rehearsal, _ = first(rehearse, run, seed=seed)
        return rehearsal.complete("fetch#1")[0]

    assert outcome(1) == outcome(1) != outcome(2)


def test_now(rehearse: Rehearse) -> None:
    """The time is that of the input being applied."""

    async def run(_: Any) -> list[str]:
        before = now()
        await asyncio.sleep(90)  # virtual time
        return [before.isoformat(), str(now() - before)]

    rehearsal, _ = first(rehearse, run)
    assert rehearsal.fire("sleep#1") == ['result ["2023-11-14T22:13:20+00:00", "0:01:30"]']


def test_run_info(rehearse: Rehearse) -> None:
    """A run knows its names, its start and the length of its history."""

    async def run(_: Any) -> list[Any]:
        await fetch()
        info = run_info()
        return [info.run_id, info.execution, info.workflow, info.history_events, info.should_continue_as_new]

    rehearsal, _ = first(rehearse, run)
    assert rehearsal.complete("fetch#1") == ['result ["run-1", "run-1", "script", 3, false]']


def test_commands_of_a_drain_come_with_their_cause_and_place(rehearse: Rehearse) -> None:
    """`cause` is the input that was drained, `ordinal` the place within its drain."""

    async def run(_: Any) -> None:
        await asyncio.gather(fetch(1), fetch(2))
        await charge(3)

    rehearsal, _ = first(rehearse, run)
    rehearsal.complete("fetch#2")
    rehearsal.complete("fetch#1")
    places = [(each.cause, each.ordinal) for each in rehearsal.issued if isinstance(each.command, ScheduleTask)]
    assert places == [(1, 0), (1, 1), (5, 0)]


def test_an_input_after_the_end_changes_nothing(rehearse: Rehearse) -> None:
    """One page may hold the input that ends the run and more; those are part of history and cause nothing."""

    async def run(_: Any) -> None:
        await fetch()

    rehearsal, _ = first(rehearse, run)
    words = rehearsal.page(TaskCompleted(START, 0, "fetch#1", b"1"), signal_of("late"))
    assert words == ["result null"]
    rehearsal.close()
    rehearsal.recover()[0].evict()
