"""Signals, updates and queries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from holdfast.authoring import (
    all_handlers_finished,
    lock,
    now,
    query,
    random,
    signal,
    update,
    uuid4,
    wait_for_signal,
    workflow,
)
from holdfast.errors import HistoryError, InputError, ReadOnlyError, UnknownNameError
from holdfast.history import CancelRequested, TaskCompleted
from holdfast.ports.runtime import current_runtime
from tests.errands import charge, fetch
from tests.rehearsal import START, Rehearsal, Script, signal_of

Rehearse = Callable[..., Rehearsal]


@workflow
class Desk:
    """Takes every kind of message."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.done = asyncio.Event()
        self.lock = asyncio.Lock()

    async def run(self) -> list[Any]:
        """Wait until told to end."""
        await self.done.wait()
        return self.seen

    @signal
    def note(self, item: int) -> None:
        """Note an item."""
        self.seen.append(item)

    @signal
    async def look_up(self, item: str) -> None:
        """Fetch an item, one after the other."""
        async with self.lock:
            self.seen.append(await fetch(item))

    @signal
    def end(self) -> None:
        """End the run."""
        self.done.set()

    @signal
    def spoil(self) -> None:
        """Fail."""
        raise RuntimeError("spoiled")

    @signal
    async def spoil_later(self) -> None:
        """Fail after a step."""
        await fetch("x")
        raise RuntimeError("spoiled")

    @update
    def add(self, item: int) -> int:
        """Note an item and answer with how many there are."""
        if item == 13:
            raise ValueError("unlucky")
        self.seen.append(item)
        return len(self.seen)

    @add.validator
    def _(self, item: int) -> None:
        if item < 0:
            raise ValueError("negative")

    @update
    async def fetched(self, item: str) -> Any:
        """Answer with what was fetched."""
        return await fetch(item)

    @update
    def unwritable(self) -> Any:
        """Answer with what has no JSON form."""
        return object()

    @update
    async def finish(self) -> bool:
        """End the run; answer whether other handlers are done."""
        self.done.set()
        await asyncio.sleep(0)
        return all_handlers_finished()

    @query
    def count(self) -> int:
        """Return how many items there are."""
        return len(self.seen)

    @query
    def time(self) -> str:
        """Return the run's time."""
        return now().isoformat()


# --- Signals -----------------------------------------------------------------------------------------------------


def test_a_signal_is_handled_in_its_own_drain(rehearse: Rehearse) -> None:
    """A sync handler runs once, with the payload."""
    rehearsal = rehearse(Desk)
    rehearsal.signal("note", 1)
    assert rehearsal.query("count") == 1
    rehearsal.signal("note", 2)
    assert rehearsal.signal("end") == ["result [1,2]"]


def test_signals_of_one_page_are_handled_in_order(rehearse: Rehearse) -> None:
    """One drain each, in history order."""
    rehearsal = rehearse(Desk)
    words = rehearsal.page(signal_of("look_up", "a"), signal_of("note", 5), signal_of("look_up", "b"))
    assert words == ['task fetch#1 "a"']
    assert rehearsal.complete("fetch#1", "A") == ['task fetch#2 "b"']
    rehearsal.complete("fetch#2", "B")
    assert rehearsal.signal("end") == ['result [5,"A","B"]']


def test_a_signal_that_does_not_fit_is_dropped(rehearse: Rehearse) -> None:
    """Whoever sent it has its answer already: the run goes on, and a warning says so."""
    rehearsal = rehearse(Desk)
    assert rehearsal.signal("note", "not a number") == []
    assert rehearsal.query("count") == 0
    assert "signal 'note' was dropped" in rehearsal.execution.warnings[0]


@pytest.mark.parametrize("name", ["spoil", "spoil_later"])
def test_a_signal_handler_that_fails_fails_the_run(rehearse: Rehearse, name: str) -> None:
    """Nobody else would ever learn of it."""
    rehearsal = rehearse(Desk)
    words = rehearsal.signal(name)
    if name == "spoil_later":
        words = rehearsal.complete("fetch#1")
    assert words == ["failure RuntimeError: spoiled"]


def test_a_signal_handler_under_way_is_cancelled_at_the_end(rehearse: Rehearse) -> None:
    """A run that ends does not wait for its handlers."""
    rehearsal = rehearse(Desk)
    rehearsal.signal("look_up", "a")
    assert rehearsal.signal("end") == ["cancel fetch#1", "result []"]


def test_signals_before_the_code_waits_are_kept(rehearse: Rehearse) -> None:
    """A signal without a handler waits for the code that wants it, in order."""

    async def run(_: Any) -> list[Any]:
        await fetch()
        return [await wait_for_signal("go"), await wait_for_signal("go"), await wait_for_signal("other")]

    rehearsal = rehearse(Script(run))
    for name, item in (("go", 1), ("other", 2), ("go", 3)):
        assert rehearsal.signal(name, item) == []
    assert rehearsal.complete("fetch#1") == ["result [1, 3, 2]"]


def test_waiters_of_a_signal_are_served_in_order(rehearse: Rehearse) -> None:
    """Each signal goes to one waiter, the one that has waited longest."""

    async def waiter(item: int) -> None:
        await fetch([item, await wait_for_signal("go")])

    async def run(_: Any) -> None:
        await asyncio.gather(*(waiter(item) for item in range(3)))

    rehearsal = rehearse(Script(run))
    assert rehearsal.signal("go", "a") == ['task fetch#1 [0,"a"]']
    assert rehearsal.signal("go", "b") == ['task fetch#2 [1,"b"]']


def test_a_waiter_that_gave_up_takes_no_signal(rehearse: Rehearse) -> None:
    """A time-out leaves the line; the next signal is kept for whoever asks next."""

    async def run(_: Any) -> Any:
        try:
            await wait_for_signal("go", timeout=5)
        except TimeoutError:
            await fetch()
        return await wait_for_signal("go")

    rehearsal = rehearse(Script(run))
    assert rehearsal.fire("sleep#1") == ["task fetch#1 null"]
    assert rehearsal.signal("go", 1) == []
    assert rehearsal.complete("fetch#1") == ["result 1"]


def test_waits_that_gave_up_do_not_pile_up(rehearse: Rehearse) -> None:
    """A loop of waits with time-outs keeps none of them."""

    async def run(_: Any) -> None:
        while True:
            try:
                await wait_for_signal("go", timeout=5)
            except TimeoutError:
                continue

    rehearsal = rehearse(Script(run))
    for number in range(1, 6):
        rehearsal.fire(f"sleep#{number}")
    assert len(rehearsal.execution.messages.mail._waiting["go"]) == 1


# --- Updates -----------------------------------------------------------------------------------------------------


def test_an_update_is_answered(rehearse: Rehearse) -> None:
    """A sync update answers in its own drain, an async one when it ends."""
    rehearsal = rehearse(Desk)
    assert rehearsal.update("u1", "add", 5) == ["answer u1 1"]
    assert rehearsal.update("u2", "fetched", "x") == ['task fetch#1 "x"']
    assert rehearsal.update("u3", "add", 6) == ["answer u3 2"]
    assert rehearsal.complete("fetch#1", "X") == ['answer u2 "X"']


@pytest.mark.parametrize(
    ("name", "item", "failure"),
    [
        ("add", 13, "ValueError"),
        ("add", "x", "InputError"),
        ("unwritable", None, "EncodeError"),
        ("gone", None, "UnknownNameError"),
    ],
)
def test_an_update_that_fails_answers_with_its_failure(rehearse: Rehearse, name: str, item: Any, failure: str) -> None:
    """The run goes on."""
    rehearsal = rehearse(Desk)
    assert rehearsal.update("u1", name, item) == [f"answer u1 failed {failure}"]
    assert rehearsal.update("u2", "add", 1) == ["answer u2 1"]


def test_an_async_update_that_fails(rehearse: Rehearse) -> None:
    """Its failure is the answer, and nobody else's business."""
    rehearsal = rehearse(Desk)
    rehearsal.update("u1", "fetched", "x")
    assert rehearsal.fail("fetch#1") == ["answer u1 failed TaskError"]
    assert rehearsal.signal("end") == ["result []"]


def test_a_validator_rejects_before_anything_is_recorded(rehearse: Rehearse) -> None:
    """It raises to whoever asked, and leaves nothing."""
    rehearsal = rehearse(Desk)
    before = len(rehearsal.history)
    with pytest.raises(ValueError, match="negative"):
        rehearsal.execution.validate("add", b"-1")
    with pytest.raises(InputError):
        rehearsal.execution.validate("add", b'"x"')
    with pytest.raises(UnknownNameError):
        rehearsal.execution.validate("gone", b"1")
    rehearsal.execution.validate("add", b"1")
    assert rehearsal.query("count") == 0
    assert len(rehearsal.history) == before
    assert not rehearsal.execution.tainted


def test_updates_under_way_at_the_end_are_answered(rehearse: Rehearse) -> None:
    """With a failure, before the run's end is recorded."""
    rehearsal = rehearse(Desk)
    rehearsal.update("u1", "fetched", "x")
    assert rehearsal.signal("end") == ["cancel fetch#1", "answer u1 failed CancelledError", "result []"]


def test_an_update_that_ends_the_run(rehearse: Rehearse) -> None:
    """Its answer comes before the end."""
    rehearsal = rehearse(Desk)
    words = rehearsal.update("u1", "finish")
    assert words[-1] == "result []"
    assert words[0].startswith("answer u1")


def test_an_update_whose_clean_up_waits_is_answered_all_the_same(rehearse: Rehearse) -> None:
    """A handler that goes on after its cancellation is cut off; its answer is not lost."""

    async def stubborn(_: Any, __: Any) -> None:
        try:
            await fetch()
        finally:
            await charge()

    async def run(_: Any) -> None:
        await wait_for_signal("end")

    rehearsal = rehearse(Script(run, updates={"stay": stubborn}))
    rehearsal.update("u1", "stay")
    assert rehearsal.signal("end") == ["cancel fetch#1", "answer u1 failed CancelledError", "result null"]


def test_an_update_that_reached_a_run_that_had_just_ended(rehearse: Rehearse) -> None:
    """One page held both: the update is answered, before the end is recorded."""
    rehearsal = rehearse(Desk)
    event = rehearsal.page(signal_of("end"))
    assert event == ["result []"]
    rehearsal = rehearse(Desk)
    from holdfast.history import UpdateAccepted

    words = rehearsal.page(signal_of("end"), UpdateAccepted(START, 0, "u9", "add", b"1"))
    assert words == ["result []", "answer u9 failed CancelledError"]
    closing, answer = rehearsal.unrecorded
    rehearsal.unrecorded = [answer, closing]
    rehearsal.close()
    execution, tail = rehearsal.recover()
    assert tail == []
    execution.evict()


def test_the_same_update_twice_is_refused(rehearse: Rehearse) -> None:
    """An update under way is accepted once."""
    rehearsal = rehearse(Desk)
    rehearsal.update("u1", "fetched", "x")
    with pytest.raises(HistoryError, match="accepted twice"):
        rehearsal.update("u1", "fetched", "x")


def test_all_handlers_finished(rehearse: Rehearse) -> None:
    """A run can wait for its handlers."""

    async def handler(_: Any, item: Any) -> Any:
        return await fetch(item)

    async def run(_: Any) -> list[bool]:
        seen = []
        for _item in range(3):
            seen.append(all_handlers_finished())
            await charge()
        return seen

    rehearsal = rehearse(Script(run, signals={"s": handler}))
    rehearsal.signal("s")
    rehearsal.complete("charge#1")
    rehearsal.complete("fetch#1")
    rehearsal.complete("charge#2")
    assert rehearsal.complete("charge#3") == ["result [true, false, true]"]


# --- Queries -----------------------------------------------------------------------------------------------------


def test_a_query_reads(rehearse: Rehearse) -> None:
    """It answers between drains, as often as asked, and leaves no trace."""
    rehearsal = rehearse(Desk)
    rehearsal.signal("note", 1)
    assert [rehearsal.query("count") for _ in range(3)] == [1, 1, 1]
    assert rehearsal.query("time") == "2023-11-14T22:13:20+00:00"
    assert len(rehearsal.history) == 2
    assert not rehearsal.execution.tainted
    with pytest.raises(UnknownNameError, match="count"):
        rehearsal.query("gone")


def test_a_closed_run_can_be_asked(rehearse: Rehearse) -> None:
    """The state it ended with is still there."""
    rehearsal = rehearse(Desk)
    rehearsal.signal("note", 1)
    rehearsal.signal("end")
    assert rehearsal.query("count") == 1


async def waiting(_: Any) -> Any:
    """Wait for a step and go on with more, so that a query could do damage."""
    random()
    event = asyncio.Event()
    STAGE["event"] = event
    STAGE["step"] = fetch(1)
    STAGE["random"] = random()
    async with lock("x"):
        (STAGE["place"],) = current_runtime.get()._steps.held
        STAGE["kept"] = asyncio.create_task(event.wait())
        await STAGE["step"]
        STAGE["kept"].cancel()
        return [await fetch(2), str(uuid4()), await wait_for_signal("go")]


STAGE: dict[str, Any] = {}


@pytest.fixture(autouse=True)
def _empty_stage() -> Iterator[None]:
    yield
    STAGE.clear()


DAMAGE: dict[str, Callable[[], Any]] = {
    "a task": lambda: fetch(9),
    "a keyed task": lambda: fetch.options(key="k")(9),
    "a timer": lambda: asyncio.get_running_loop().call_later(5, print),
    "a coroutine's task": lambda: asyncio.create_task(asyncio.sleep(1)),  # virtual time
    "cancelling a step": lambda: STAGE["step"].cancel(),  # noqa: PLW0108 - it is there only when asked
    "a random number": lambda: random().random(),
    "a uuid": lambda: str(uuid4()),
    "a kept signal": lambda: wait_for_signal("go").send(None),
    "giving a lock back": lambda: current_runtime.get().release_lock(STAGE["place"]),
}


@pytest.mark.parametrize("what", sorted(DAMAGE))
def test_a_query_that_would_change_the_run_is_refused_and_changes_nothing(rehearse: Rehearse, what: str) -> None:
    """Afterwards the run does exactly what it would have done."""

    def go(ask: bool) -> list[str]:
        rehearsal = rehearse(Script(waiting, queries={"q": lambda *_: DAMAGE[what]()}), begin=False)
        words = rehearsal.begin()
        words += rehearsal.grant("lock(x)#1")
        words += rehearsal.signal("go", 1)
        if ask:
            with pytest.raises(ReadOnlyError, match="query 'q'"):
                rehearsal.query("q")
            assert not rehearsal.execution.tainted
        words += rehearsal.complete("fetch#1")
        return words + rehearsal.complete("fetch#2")

    assert go(ask=True) == go(ask=False)


@pytest.mark.parametrize("what", ["event", "random", "task"])
def test_a_query_that_did_change_the_run_taints_it(rehearse: Rehearse, what: str) -> None:
    """What cannot be refused is noticed: the execution is to be evicted and replayed."""
    damage = {
        "event": lambda *_: STAGE["event"].set(),
        "random": lambda *_: STAGE["random"].random(),
        "task": lambda *_: STAGE["kept"].cancel(),
    }
    rehearsal = rehearse(Script(waiting, queries={"q": damage[what]}))
    rehearsal.grant("lock(x)#1")
    with pytest.raises(ReadOnlyError):
        rehearsal.query("q")
    assert rehearsal.execution.tainted
    execution, _ = rehearsal.recover()
    assert not execution.tainted
    execution.evict()


def test_a_query_that_exits_does_not_end_the_process(rehearse: Rehearse) -> None:
    """SystemExit from a handler is an error of the handler."""

    def leave(*_: Any) -> None:
        raise SystemExit(1)

    async def run(_: Any) -> None:
        await fetch()

    rehearsal = rehearse(Script(run, queries={"q": leave}))
    with pytest.raises(Exception) as caught:  # noqa: PT011 - any Exception: SystemExit is none
        rehearsal.query("q")
    assert isinstance(caught.value.__cause__, SystemExit)


def test_messages_in_one_page_with_outcomes(rehearse: Rehearse) -> None:
    """Every input has its own drain, in history order, also a cancellation."""

    async def note(_: Any, item: Any) -> None:
        await charge(item)

    async def run(_: Any) -> None:
        await fetch()
        await fetch()

    rehearsal = rehearse(Script(run, signals={"s": note}))
    words = rehearsal.page(signal_of("s", 1), TaskCompleted(START, 0, "fetch#1", b"1"), CancelRequested(START, 0, "x"))
    assert words == ["task charge#1 1", "task fetch#2 null", "cancel fetch#2", "cancel charge#1", "cancelled x"]
