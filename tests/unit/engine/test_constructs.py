"""Every construct of asyncio that workflows may use, with tasks and with the futures of steps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.errands import charge, fetch
from tests.rehearsal import Rehearsal, Script

Make = Callable[[Any], Awaitable[Any]]
Rehearse = Callable[..., Rehearsal]


async def child(item: Any) -> Any:
    """Fetch as a coroutine of its own."""
    return await fetch(item)


def as_step(item: Any) -> Any:
    """Fetch as the future of a step."""
    return fetch(item)


def as_task(item: Any) -> Any:
    """Fetch as a task around a step."""
    return asyncio.create_task(child(item))


@pytest.fixture(params=[as_step, as_task])
def make(request: pytest.FixtureRequest) -> Make:
    """Return a way to have something under way."""
    return request.param


def first(rehearse: Rehearse, run: Callable[..., Any], input: Any = None) -> tuple[Rehearsal, list[str]]:
    """Return a rehearsal and what its first drain asked for."""
    rehearsal = rehearse(Script(run), begin=False)
    return rehearsal, rehearsal.begin(input)


# --- gather ------------------------------------------------------------------------------------------------------


def test_gather_order(rehearse: Rehearse, make: Make) -> None:
    """Results come in the order of the arguments, whatever the order of completion."""

    async def run(_: Any) -> list[Any]:
        return await asyncio.gather(make("a"), child("b"), make("c"))

    rehearsal, words = first(rehearse, run)
    items = {word.split()[1]: word.split()[2].strip('"') for word in words}
    assert sorted(items.values()) == ["a", "b", "c"]
    for step in ("fetch#3", "fetch#1"):
        assert rehearsal.complete(step, items[step]) == []
    assert rehearsal.complete("fetch#2", items["fetch#2"]) == ['result ["a", "b", "c"]']


def test_gather_failure(rehearse: Rehearse, make: Make) -> None:
    """The first failure reaches the caller at once; the other members go on, and are cancelled when the run ends."""

    async def run(_: Any) -> str:
        try:
            await asyncio.gather(make("a"), make("b"))
        except Exception as error:  # noqa: BLE001 - named in the result
            await charge()
            return type(error).__name__
        return "?"

    rehearsal, _ = first(rehearse, run)
    assert rehearsal.fail("fetch#2") == ["task charge#1 null"]
    assert rehearsal.complete("charge#1") == ["cancel fetch#1", 'result "TaskError"']


def test_gather_return_exceptions(rehearse: Rehearse, make: Make) -> None:
    """With return_exceptions failures are results, and do not fail the run."""

    async def run(_: Any) -> list[str]:
        cancelled = make("c")
        outcomes = asyncio.gather(make("a"), make("b"), cancelled, return_exceptions=True)
        await asyncio.sleep(0)
        cancelled.cancel()
        return [type(each).__name__ for each in await outcomes]

    rehearsal, _ = first(rehearse, run)
    rehearsal.fail(next(iter(rehearsal.execution.open)))
    assert rehearsal.complete(next(iter(rehearsal.execution.open)), 1) == [
        'result ["TaskError", "int", "CancelledError"]'
    ]


def test_gather_cancel(rehearse: Rehearse, make: Make) -> None:
    """Cancelling the whole cancels every member."""

    async def run(_: Any) -> str:
        whole = asyncio.gather(make("a"), make("b"))
        await charge()
        whole.cancel()
        try:
            await whole
        except asyncio.CancelledError:
            return "cancelled"
        return "?"

    rehearsal, _ = first(rehearse, run)
    assert rehearsal.complete("charge#1") == ["cancel fetch#1", "cancel fetch#2", 'result "cancelled"']


def test_gather_same_twice(rehearse: Rehearse) -> None:
    """One future in two places is one step."""

    async def run(_: Any) -> list[Any]:
        step = fetch("a")
        return await asyncio.gather(step, step)

    rehearsal, words = first(rehearse, run)
    assert words == ['task fetch#1 "a"']
    assert rehearsal.complete("fetch#1", 5) == ["result [5, 5]"]


def test_gather_nothing(rehearse: Rehearse) -> None:
    """Of nothing the results are none."""

    async def run(_: Any) -> list[Any]:
        return await asyncio.gather()

    assert first(rehearse, run)[1] == ["result []"]


def test_gather_of_what_is_done_takes_its_turn(rehearse: Rehearse) -> None:
    """Futures that are done already are looked at in the loop's order, on every Python."""

    async def other(seen: list[str]) -> None:
        await asyncio.sleep(0)
        seen.append("other")

    async def run(_: Any) -> list[str]:
        seen: list[str] = []
        step = fetch(1)
        await step
        task = asyncio.create_task(other(seen))
        await asyncio.gather(step)
        seen.append("gather")
        await task
        return seen

    rehearsal, _ = first(rehearse, run)
    assert rehearsal.complete("fetch#1") == ['result ["other", "gather"]']


def test_a_gather_nobody_awaited_fails_the_run_if_it_failed(rehearse: Rehearse) -> None:
    """The failure of a member counts as the whole's, and the whole was never awaited."""

    async def run(_: Any) -> int:
        kept = asyncio.gather(fetch("a"), fetch("b"))
        await charge()
        return len(repr(kept)) and 1

    rehearsal, _ = first(rehearse, run)
    rehearsal.fail("fetch#1", "ValueError", "bad")
    assert rehearsal.complete("charge#1")[-1].startswith("failure TaskError: [HF501] task fetch#1 failed")


# --- TaskGroup ---------------------------------------------------------------------------------------------------


def test_task_group(rehearse: Rehearse) -> None:
    """The block waits for members, coroutines and steps alike."""

    async def run(_: Any) -> list[Any]:
        async with asyncio.TaskGroup() as group:
            members = [group.create_task(fetch("a")), group.create_task(child("b"), name="b")]
            names = [each.get_name() for each in members]
        return [each.result() for each in members] + names

    rehearsal, words = first(rehearse, run)
    assert words == ['task fetch#1 "a"', 'task fetch#2 "b"']
    assert rehearsal.complete("fetch#2", 2) == []
    assert rehearsal.complete("fetch#1", 1) == ['result [1, 2, "fetch#1", "b"]']


def test_task_group_abort(rehearse: Rehearse) -> None:
    """A member's failure cancels the others in order of joining, and the block's own wait."""

    async def run(_: Any) -> list[str]:
        try:
            async with asyncio.TaskGroup() as group:
                for item in range(9):
                    group.create_task(child(item) if item % 2 else fetch(item))
                await asyncio.sleep(60)  # virtual time
        except ExceptionGroup as errors:
            await charge()
            return [type(each).__name__ for each in errors.exceptions]
        return []

    rehearsal, words = first(rehearse, run)
    steps = {word.split()[2]: word.split()[1] for word in words if word.startswith("task")}
    rest = [f"cancel {steps[str(item)]}" for item in range(9) if item != 4]
    assert rehearsal.fail(steps["4"]) == [*rest, "cancel sleep#1", "task charge#1 null"]
    assert rehearsal.complete("charge#1") == ['result ["TaskError"]']


def test_task_group_of_what_has_failed_already(rehearse: Rehearse) -> None:
    """A step that failed before it joined aborts the group in the loop's order, on every Python."""

    async def run(_: Any) -> str:
        step = fetch("a")
        await asyncio.wait([step])
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(child("b"))
                group.create_task(step)
                await charge()
        except ExceptionGroup:
            return "aborted"
        return "?"

    rehearsal, _ = first(rehearse, run)
    rehearsal.fail("fetch#1")
    ordinals = [each.ordinal for each in rehearsal.issued[1:]]
    assert rehearsal.issued[-1].ordinal == 2, ordinals  # both steps were issued, and dropped in the same drain
    assert rehearsal.execution.closed


def test_task_group_cancelled_from_outside(rehearse: Rehearse) -> None:
    """Cancelling the run cancels the members, lets them clean up, and leaves the block as a cancellation."""

    async def careful(item: int) -> None:
        try:
            await fetch(item)
        finally:
            await charge(item)

    async def run(_: Any) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(careful(1))
            group.create_task(fetch(2))

    rehearsal, words = first(rehearse, run)
    assert words == ["task fetch#1 2", "task fetch#2 1"]
    assert rehearsal.cancel("enough") == ["cancel fetch#2", "cancel fetch#1", "task charge#1 1"]
    assert rehearsal.complete("charge#1") == ["cancelled enough"]


def test_task_group_cancelled_and_failed(rehearse: Rehearse) -> None:
    """Errors go before the cancellation, which is not forgotten."""

    async def stubborn() -> None:
        try:
            await fetch()
        except asyncio.CancelledError:
            raise ValueError("no") from None

    async def run(_: Any) -> list[Any]:
        task = asyncio.current_task()
        assert task is not None
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(stubborn())
        except ExceptionGroup:
            pending = task.cancelling()
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            task.uncancel()
            return [pending, "cancelled", task.cancelling()]
        return [pending, "forgotten"]

    rehearsal, _ = first(rehearse, run)
    assert rehearsal.cancel()[-1] == 'result [1, "cancelled", 0]'


@pytest.mark.parametrize("moment", ["before", "after", "aborting"])
def test_task_group_refuses_members(rehearse: Rehearse, moment: str) -> None:
    """A group that is not open takes no members, and leaves nothing un-awaited."""

    async def run(_: Any) -> str:
        group = asyncio.TaskGroup()

        async def late() -> str:
            try:
                group.create_task(child(1))
            except RuntimeError as error:
                return str(error)
            return "taken"

        if moment == "before":
            return await late()
        result = ""
        try:
            async with group:
                if moment == "aborting":
                    group.create_task(fetch("x"))
                    try:
                        await charge()
                    finally:
                        result = await late()
        except ExceptionGroup:
            return result
        return await late()

    rehearsal, _ = first(rehearse, run)
    if moment == "aborting":
        rehearsal.fail("fetch#1")
    expected = {"before": "has not been entered", "after": "is finished", "aborting": "is shutting down"}
    assert rehearsal.issued[-1].command.result.decode() == f'"TaskGroup {expected[moment]}"'


# --- wait, as_completed, wait_for, timeout -----------------------------------------------------------------------


def test_wait_first_completed(rehearse: Rehearse, make: Make) -> None:
    """`wait` returns with the first; the sets it returns iterate in order of making."""

    async def run(_: Any) -> list[int]:
        under_way = [make(item) for item in range(20)]
        done, pending = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
        return [under_way.index(each) for each in [*done, *pending]]

    rehearsal, _ = first(rehearse, run)
    steps = {each.command.input.decode(): each.command.step for each in rehearsal.issued}
    words = rehearsal.complete(steps["7"])
    assert words[-1] == "result " + str([7, *(each for each in range(20) if each != 7)])


def test_wait_first_exception(rehearse: Rehearse, make: Make) -> None:
    """`wait` may wait for the first failure; one that is looked at does not fail the run."""

    async def run(_: Any) -> list[str]:
        done, _ = await asyncio.wait([make("a"), make("b"), make("c")], return_when=asyncio.FIRST_EXCEPTION)
        return [type(each.exception()).__name__ for each in done]

    rehearsal, _ = first(rehearse, run)
    assert rehearsal.complete("fetch#1") == []
    assert rehearsal.fail("fetch#3")[-1] == 'result ["NoneType", "TaskError"]'


def test_wait_timeout(rehearse: Rehearse, make: Make) -> None:
    """`wait` gives up by a durable timer, and leaves what it waited for alone."""

    async def run(_: Any) -> list[Any]:
        under_way = make("a")
        done, pending = await asyncio.wait([under_way], timeout=5)
        return [len(done), len(pending), await under_way]

    rehearsal, words = first(rehearse, run)
    assert "timer sleep#1 5" in words
    assert rehearsal.fire("sleep#1") == []
    assert rehearsal.complete("fetch#1", "x") == ['result [0, 1, "x"]']


def test_wait_cancels_its_timer(rehearse: Rehearse, make: Make) -> None:
    """A wait that ended in time cancels its timer."""

    async def run(_: Any) -> None:
        await asyncio.wait([make("a")], timeout=5)

    rehearsal, _ = first(rehearse, run)
    assert rehearsal.complete("fetch#1") == ["cancel sleep#1", "result null"]


def test_as_completed(rehearse: Rehearse, make: Make) -> None:
    """Results come in order of completion."""

    async def run(_: Any) -> list[Any]:
        return [await each for each in asyncio.as_completed([make("a"), child("b"), make("c")])]

    rehearsal, _ = first(rehearse, run)
    rehearsal.complete("fetch#3", 3)
    rehearsal.complete("fetch#1", 1)
    assert rehearsal.complete("fetch#2", 2) == ["result [3, 1, 2]"]


def test_as_completed_asynchronously(rehearse: Rehearse, make: Make) -> None:
    """`async for` yields the futures themselves, as from 3.13, on every Python."""

    async def run(_: Any) -> list[Any]:
        under_way = {make("a"): "a", make("b"): "b"}
        return [under_way[each] async for each in asyncio.as_completed(under_way)]

    rehearsal, _ = first(rehearse, run)
    rehearsal.complete("fetch#2")
    assert rehearsal.complete("fetch#1") == ['result ["b", "a"]']


def test_as_completed_timeout(rehearse: Rehearse, make: Make) -> None:
    """What did not complete in time raises TimeoutError, once for each."""

    async def run(_: Any) -> list[Any]:
        seen: list[Any] = []
        for each in asyncio.as_completed([make("a"), make("b")], timeout=3):
            try:
                seen.append(await each)
            except TimeoutError:
                seen.append("late")
        return seen

    rehearsal, _ = first(rehearse, run)
    rehearsal.complete("fetch#2", 2)
    assert rehearsal.fire("sleep#1") == ["cancel fetch#1", 'result [2, "late"]']


def test_as_completed_refuses_a_single_future(rehearse: Rehearse) -> None:
    """A single future is no iterable of them."""

    async def run(_: Any) -> None:
        asyncio.as_completed(fetch("a"))  # type: ignore[arg-type]

    _, words = first(rehearse, run)
    assert words[-1].startswith("failure TypeError")


@pytest.mark.parametrize("started", ["coroutine", "step", "task"])
def test_wait_for_in_time(rehearse: Rehearse, started: str) -> None:
    """`wait_for` hands the result on and cancels its timer."""

    async def run(_: Any) -> Any:
        return await asyncio.wait_for({"coroutine": child, "step": as_step, "task": as_task}[started]("a"), 5)

    rehearsal, words = first(rehearse, run)
    assert sorted(words) == ['task fetch#1 "a"', "timer sleep#1 5"]
    assert rehearsal.complete("fetch#1", 1) == ["cancel sleep#1", "result 1"]


@pytest.mark.parametrize("started", ["coroutine", "step", "task"])
def test_wait_for_too_late(rehearse: Rehearse, started: str) -> None:
    """`wait_for` cancels what it waits for when time is up, and raises TimeoutError."""

    async def run(_: Any) -> str:
        try:
            await asyncio.wait_for({"coroutine": child, "step": as_step, "task": as_task}[started]("a"), 5)
        except TimeoutError:
            await charge()
            return "late"
        return "?"

    rehearsal, _ = first(rehearse, run)
    assert rehearsal.fire("sleep#1") == ["cancel fetch#1", "task charge#1 null"]
    assert rehearsal.complete("charge#1") == ['result "late"']


def test_wait_for_no_time_at_all(rehearse: Rehearse, make: Make) -> None:
    """With no time left nothing is issued."""

    async def run(_: Any) -> str:
        try:
            await asyncio.wait_for(make("a"), 0)
        except TimeoutError:
            return "late"
        return "?"

    _, words = first(rehearse, run)
    assert words == ['result "late"']


def test_wait_for_no_time_keeps_a_cancellation_from_outside(rehearse: Rehearse) -> None:
    """Cancelling the waiter is not mistaken for the time-out."""

    async def slow_to_end() -> None:
        try:
            await charge()
        finally:
            await fetch("clean-up")

    async def run(_: Any) -> None:
        task = asyncio.create_task(slow_to_end())
        await asyncio.sleep(0)
        await asyncio.wait_for(task, 0)

    rehearsal, _ = first(rehearse, run)
    assert rehearsal.cancel("stop") == ["cancel fetch#1", "cancelled stop"]


def test_timeout(rehearse: Rehearse) -> None:
    """A block over its time is cancelled from a durable timer."""

    async def run(_: Any) -> str:
        try:
            async with asyncio.timeout(10) as limit:
                await fetch("a")
                limit.reschedule(asyncio.get_running_loop().time() + 3)
                await fetch("b")
        except TimeoutError:
            return f"expired {limit.expired()}"
        return "?"

    rehearsal, words = first(rehearse, run)
    assert words == ["timer sleep#1 10", 'task fetch#1 "a"']
    assert rehearsal.complete("fetch#1") == ["cancel sleep#1", "timer sleep#2 3", 'task fetch#2 "b"']
    assert rehearsal.fire("sleep#2") == ["cancel fetch#2", 'result "expired True"']


def test_timeout_in_time(rehearse: Rehearse) -> None:
    """A block in time cancels its timer."""

    async def run(_: Any) -> None:
        async with asyncio.timeout(10):
            await fetch("a")

    rehearsal, _ = first(rehearse, run)
    assert rehearsal.complete("fetch#1") == ["cancel sleep#1", "result null"]


def test_timeout_without_limit(rehearse: Rehearse) -> None:
    """No limit is no timer."""

    async def run(_: Any) -> None:
        async with asyncio.timeout(None):
            await fetch("a")

    assert first(rehearse, run)[1] == ['task fetch#1 "a"']


def test_timeout_crossing_an_outcome(rehearse: Rehearse) -> None:
    """Of a time-out and an outcome, the one that history has first wins."""

    async def run(_: Any) -> str:
        try:
            async with asyncio.timeout(10):
                return str(await fetch("a"))
        except TimeoutError:
            return "late"

    rehearsal, _ = first(rehearse, run)
    assert rehearsal.complete("fetch#1", "x") == ["cancel sleep#1", 'result "x"']


# --- shield ------------------------------------------------------------------------------------------------------


def test_shield(rehearse: Rehearse, make: Make) -> None:
    """What is shielded survives the cancellation of who waits for it."""

    async def run(_: Any) -> Any:
        under_way = make("a")
        try:
            async with asyncio.timeout(5):
                await asyncio.shield(under_way)
        except TimeoutError:
            return ["late", await under_way]

    rehearsal, _ = first(rehearse, run)
    assert rehearsal.fire("sleep#1") == []
    assert rehearsal.complete("fetch#1", "x") == ['result ["late", "x"]']


# --- Queue, Event, Lock, Semaphore, Condition, Barrier -----------------------------------------------------------


def test_queue(rehearse: Rehearse) -> None:
    """A queue between producers and consumers of steps."""

    async def consume(queue: asyncio.Queue[Any], seen: list[Any]) -> None:
        while True:
            seen.append(await queue.get())
            queue.task_done()

    async def run(_: Any) -> list[Any]:
        queue: asyncio.Queue[Any] = asyncio.Queue(maxsize=1)
        seen: list[Any] = []
        consumer = asyncio.create_task(consume(queue, seen))
        for item in range(3):
            await queue.put(await fetch(item))
        await queue.join()
        consumer.cancel()
        return seen

    rehearsal, _ = first(rehearse, run)
    rehearsal.complete("fetch#1", "a")
    rehearsal.complete("fetch#2", "b")
    assert rehearsal.complete("fetch#3", "c") == ['result ["a", "b", "c"]']


def test_event_wakes_in_order(rehearse: Rehearse) -> None:
    """Those who wait for an event go on in the order in which they came."""

    async def waiter(event: asyncio.Event, item: int) -> None:
        await event.wait()
        await fetch(item)

    async def run(_: Any) -> None:
        event = asyncio.Event()
        tasks = [asyncio.create_task(waiter(event, item)) for item in range(5)]
        await charge()
        event.set()
        await asyncio.gather(*tasks)

    rehearsal, _ = first(rehearse, run)
    assert rehearsal.complete("charge#1") == [f"task fetch#{item + 1} {item}" for item in range(5)]


def test_lock_is_fair(rehearse: Rehearse) -> None:
    """A lock goes to those who wait, in the order in which they came."""

    async def holder(lock: asyncio.Lock, item: int) -> None:
        async with lock:
            await fetch(item)

    async def run(_: Any) -> None:
        lock = asyncio.Lock()
        await asyncio.gather(*(holder(lock, item) for item in range(3)))

    rehearsal, words = first(rehearse, run)
    assert words == ["task fetch#1 0"]
    assert rehearsal.complete("fetch#1") == ["task fetch#2 1"]
    assert rehearsal.complete("fetch#2") == ["task fetch#3 2"]


@pytest.mark.parametrize("kind", [asyncio.Semaphore, asyncio.BoundedSemaphore])
def test_semaphore_is_fair(rehearse: Rehearse, kind: type[asyncio.Semaphore]) -> None:
    """A semaphore lets n in, and the next in the order in which they came."""

    async def holder(places: asyncio.Semaphore, item: int) -> None:
        async with places:
            await fetch(item)

    async def run(_: Any) -> bool:
        places = kind(2)
        await asyncio.gather(*(holder(places, item) for item in range(4)))
        return places.locked()

    rehearsal, words = first(rehearse, run)
    assert words == ["task fetch#1 0", "task fetch#2 1"]
    assert rehearsal.complete("fetch#2") == ["task fetch#3 2"]
    assert rehearsal.complete("fetch#1") == ["task fetch#4 3"]
    rehearsal.complete("fetch#4")
    assert rehearsal.complete("fetch#3") == ["result false"]


def test_semaphore_turn_not_taken(rehearse: Rehearse) -> None:
    """A place that was handed to somebody who is cancelled in the same drain goes to the next in line."""

    async def holder(places: asyncio.Semaphore, item: int) -> None:
        async with places:
            await fetch(item)

    async def run(_: Any) -> None:
        places = asyncio.Semaphore(1)
        await places.acquire()
        tasks = [asyncio.create_task(holder(places, item)) for item in range(3)]
        await charge()
        places.release()
        tasks[0].cancel()
        await asyncio.wait(tasks)

    rehearsal, _ = first(rehearse, run)
    assert rehearsal.complete("charge#1") == ["task fetch#1 1"]
    assert rehearsal.complete("fetch#1") == ["task fetch#2 2"]
    assert rehearsal.complete("fetch#2") == ["result null"]


def test_semaphore_waiter_cancelled_then_released(rehearse: Rehearse) -> None:
    """Somebody who comes while a cancelled waiter is still in line is not forgotten."""

    async def holder(places: asyncio.Semaphore, item: int) -> None:
        async with places:
            await fetch(item)

    async def run(_: Any) -> None:
        places = asyncio.Semaphore(1)
        await places.acquire()
        waiting = asyncio.create_task(holder(places, 1))
        await charge()
        waiting.cancel()
        places.release()
        await holder(places, 2)

    rehearsal, _ = first(rehearse, run)
    assert rehearsal.complete("charge#1") == ["task fetch#1 2"]
    assert rehearsal.complete("fetch#1") == ["result null"]


def test_bounded_semaphore_refuses_too_many_releases(rehearse: Rehearse) -> None:
    """A bounded semaphore still is one."""

    async def run(_: Any) -> None:
        asyncio.BoundedSemaphore(1).release()

    assert first(rehearse, run)[1][0].startswith("failure ValueError")


def test_condition(rehearse: Rehearse) -> None:
    """Notified waiters go on in order, each with the lock."""

    async def waiter(condition: asyncio.Condition, item: int) -> None:
        async with condition:
            await condition.wait()
            await fetch(item)

    async def run(_: Any) -> None:
        condition = asyncio.Condition()
        tasks = [asyncio.create_task(waiter(condition, item)) for item in range(3)]
        await charge(1)
        async with condition:
            condition.notify()
        await charge(2)
        async with condition:
            condition.notify_all()
        await asyncio.gather(*tasks)

    rehearsal, _ = first(rehearse, run)
    assert rehearsal.complete("charge#1") == ["task charge#2 2", "task fetch#1 0"]
    assert rehearsal.complete("fetch#1") == []
    assert rehearsal.complete("charge#2") == ["task fetch#2 1"]
    assert rehearsal.complete("fetch#2") == ["task fetch#3 2"]
    assert rehearsal.complete("fetch#3") == ["result null"]


def test_condition_notice_not_taken(rehearse: Rehearse) -> None:
    """A notice to somebody who is cancelled in the same drain goes to the next who waits."""

    async def waiter(condition: asyncio.Condition, item: int) -> None:
        async with condition:
            await condition.wait()
            await fetch(item)

    async def run(_: Any) -> None:
        condition = asyncio.Condition()
        tasks = [asyncio.create_task(waiter(condition, item)) for item in range(2)]
        await charge()
        async with condition:
            condition.notify(1)
        tasks[0].cancel()
        await asyncio.wait(tasks)

    rehearsal, _ = first(rehearse, run)
    assert rehearsal.complete("charge#1") == ["task fetch#1 1"]
    assert rehearsal.complete("fetch#1") == ["result null"]


def test_condition_needs_its_lock(rehearse: Rehearse) -> None:
    """Waiting and notifying without the lock are errors."""

    async def run(_: Any) -> int:
        condition = asyncio.Condition()
        refused = 0
        for attempt in (condition.wait, condition.notify):
            try:
                result = attempt()
                if result is not None:
                    await result
            except RuntimeError:
                refused += 1
        return refused

    assert first(rehearse, run)[1] == ["result 2"]


def test_condition_wait_for(rehearse: Rehearse) -> None:
    """A predicate is looked at again after each notice."""

    async def run(_: Any) -> int:
        condition = asyncio.Condition()
        stock: list[Any] = []

        async def supply() -> None:
            for _item in range(3):
                stock.append(await fetch())
                async with condition:
                    condition.notify_all()

        supplier = asyncio.create_task(supply())
        async with condition:
            await condition.wait_for(lambda: len(stock) >= 2)
        supplier.cancel()
        return len(stock)

    rehearsal, _ = first(rehearse, run)
    assert rehearsal.complete("fetch#1") == ["task fetch#2 null"]
    assert rehearsal.complete("fetch#2") == ["result 2"]


def test_barrier(rehearse: Rehearse) -> None:
    """Parties pass a barrier together, in the order in which they came."""

    async def party(barrier: asyncio.Barrier, item: int) -> None:
        await fetch(item)
        await barrier.wait()
        await charge(item)

    async def run(_: Any) -> None:
        barrier = asyncio.Barrier(3)
        await asyncio.gather(*(party(barrier, item) for item in range(3)))

    rehearsal, _ = first(rehearse, run)
    assert rehearsal.complete("fetch#3") == []
    assert rehearsal.complete("fetch#1") == []
    assert rehearsal.complete("fetch#2") == ["task charge#1 1", "task charge#2 2", "task charge#3 0"]


# --- create_task and futures -------------------------------------------------------------------------------------


def test_tasks_nobody_holds_live_on(rehearse: Rehearse) -> None:
    """A task without a reference is kept by the loop, also over a collection."""
    import gc

    async def run(_: Any) -> None:
        asyncio.create_task(child("a"))  # noqa: RUF006 - nobody holds it: that is the point
        await charge()
        await charge()

    rehearsal, words = first(rehearse, run)
    assert words == ["task charge#1 null", 'task fetch#1 "a"']
    gc.collect()
    assert rehearsal.complete("fetch#1") == []
    rehearsal.complete("charge#1")
    assert rehearsal.complete("charge#2") == ["result null"]


def test_done_callbacks_run_in_the_drain_of_the_outcome(rehearse: Rehearse, make: Make) -> None:
    """A callback on a step or a task runs before anything else is applied."""

    async def run(_: Any) -> Any:
        seen: list[Any] = []
        under_way = make("a")
        under_way.add_done_callback(lambda future: seen.append(future.result()))
        await under_way
        await charge()
        return seen

    rehearsal, _ = first(rehearse, run)
    assert rehearsal.complete("fetch#1", 4) == ["task charge#1 null"]
    assert rehearsal.complete("charge#1") == ["result [4]"]


def test_a_future_of_the_users_own(rehearse: Rehearse) -> None:
    """`create_future` works, and hashes alike in every replay."""

    async def run(_: Any) -> list[int]:
        loop = asyncio.get_running_loop()
        own = [loop.create_future() for _item in range(30)]
        for each in reversed(own):
            hash(each)
        await charge()
        for each in own:
            each.set_result(None)
        done, _ = await asyncio.wait(own)
        return [own.index(each) for each in done]

    rehearsal, _ = first(rehearse, run)
    assert rehearsal.complete("charge#1") == ["result " + str(list(reversed(range(30))))]


def test_a_step_awaited_twice(rehearse: Rehearse) -> None:
    """Two waiters of one step both get its result; it is issued once."""

    async def waiter(step: Any) -> Any:
        return await step

    async def run(_: Any) -> Any:
        step = fetch("a")
        return await asyncio.gather(waiter(step), waiter(step))

    rehearsal, words = first(rehearse, run)
    assert words == ['task fetch#1 "a"']
    assert rehearsal.complete("fetch#1", 1) == ["result [1, 1]"]


# --- Elsewhere ---------------------------------------------------------------------------------------------------


def test_other_loops_keep_asyncios_own(rehearse: Rehearse) -> None:
    """Outside workflows nothing changes."""

    async def run(_: Any) -> None:
        await fetch()

    rehearse(Script(run))  # puts the stand-ins up

    async def work(value: int) -> int:
        await asyncio.sleep(0)
        return value

    async def host() -> list[Any]:
        results: list[Any] = [await asyncio.gather(work(1), work(2)), await asyncio.wait_for(work(3), 5)]
        results.append(sorted([await each for each in asyncio.as_completed([work(4), work(5)])]))
        async with asyncio.TaskGroup() as group:
            member = group.create_task(work(6))
        results.append(member.result())
        async with asyncio.Semaphore(1) as _place:
            results.append(7)
        condition = asyncio.Condition()
        async with condition:
            condition.notify_all()
        gathered = asyncio.gather(work(8))
        results += [type(gathered).__module__, *await gathered]
        return results

    assert asyncio.run(host()) == [[1, 2], 3, [4, 5], 6, 7, "asyncio.tasks", 8]
