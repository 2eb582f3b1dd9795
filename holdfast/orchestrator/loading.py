"""From an execution's rows back into memory.

Owns: reading a history from the store, and replaying it into a live execution.
Must not know: what the owner does with it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from holdfast.engine import Execution, Issued, recover
from holdfast.errors import StoreError
from holdfast.history import (
    AnyEvent,
    FanOutCompleted,
    TimerCancelled,
    TimerFired,
    TimerStarted,
    UpdateAccepted,
    UpdateCompleted,
    WorkflowStarted,
    open_page,
    outside_payloads,
    page_place,
    verify_chain,
)
from holdfast.orchestrator.live import Live
from holdfast.ports.operations import ItemOutcome
from holdfast.ports.program import Guard, Program
from holdfast.ports.runtime import FanOutOutcome
from holdfast.ports.store import Store

OUTCOMES_READ = 512
"""How many outcomes of a fan-out are read, and kept, at a time, where the store can be read at once."""
OUTCOMES_FETCHED = 4_096
"""How many are fetched at a time where it cannot."""


def now_or_never(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Return the result of a coroutine that does not wait for anything.

    Raises:
        StoreError: it waits: this store cannot be read from within a drain.
    """
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    raise StoreError("this store cannot be read without waiting", "Pass the fan-out's results to a task instead.")


class StoredOutcomes:
    """The outcomes of a fan-out, read as they are looked at."""

    def __init__(self, store: Store, execution_id: int, step: str, count: int, failed: int) -> None:
        """Read the outcomes of `step` of an execution."""
        self.count = count
        self.failed = failed
        self._store = store
        self._execution_id = execution_id
        self._step = step
        self._fan_out_id: int | None = None
        self._start = 0
        self._kept: list[ItemOutcome] = []

    def get(self, index: int) -> tuple[bool, bytes]:
        """Return one item's outcome. See `FanOutOutcome`."""
        if not self._start <= index < self._start + len(self._kept):
            self._start = index - index % OUTCOMES_READ
            stop = min(self._start + OUTCOMES_READ, self.count)
            self._kept = now_or_never(self._store.outcomes(self._id(), self._start, stop))
        outcome = self._kept[index - self._start]
        return outcome.ok, outcome.body

    def _id(self) -> int:
        if self._fan_out_id is None:
            records = now_or_never(self._store.fan_outs(self._execution_id))
            self._fan_out_id = next(each.fan_out_id for each in records if each.step == self._step)
        return self._fan_out_id


class KeptOutcomes:
    """The outcomes of a fan-out, in memory: code in a drain cannot wait for a store on a server."""

    def __init__(self, outcomes: list[ItemOutcome], failed: int) -> None:
        """Keep all outcomes of a fan-out, in order."""
        self.count = len(outcomes)
        self.failed = failed
        self._outcomes = outcomes

    def get(self, index: int) -> tuple[bool, bytes]:
        """Return one item's outcome. See `FanOutOutcome`."""
        outcome = self._outcomes[index]
        return outcome.ok, outcome.body


class FanOuts:
    """What gives one execution access to the outcomes of its fan-outs.

    Where a store can be read at once they are read as they are looked at, and memory stays flat. Otherwise they are
    fetched before the execution learns that they are there, and stay for as long as its code has them.
    """

    def __init__(self, store: Store, execution_id: int) -> None:
        """Read the outcomes of an execution."""
        self._store = store
        self._execution_id = execution_id
        self._fetched: dict[str, list[ItemOutcome]] = {}

    async def fetch(self, steps: Iterable[str]) -> None:
        """Make the outcomes of fan-outs that are completed ready to be opened. Raises StoreError."""
        wanted = set() if self._store.reads_at_once else set(steps) - self._fetched.keys()
        if not wanted:
            return
        for record in await self._store.fan_outs(self._execution_id):
            if record.step in wanted:
                found: list[ItemOutcome] = []
                for start in range(0, record.count, OUTCOMES_FETCHED):
                    stop = min(start + OUTCOMES_FETCHED, record.count)
                    found += await self._store.outcomes(record.fan_out_id, start, stop)
                self._fetched[record.step] = found

    def open(self, step: str, event: FanOutCompleted) -> FanOutOutcome:
        """Return the outcomes of one fan-out."""
        if self._store.reads_at_once:
            return StoredOutcomes(self._store, self._execution_id, step, event.count, event.failed)
        return KeptOutcomes(self._fetched.pop(step), event.failed)


async def read_history(store: Store, execution_id: int, run_id: str, name: str) -> tuple[list[AnyEvent], bytes, int]:
    """Return an execution's events, its head hash and its last event id.

    Raises:
        HistoryError: the pages are not what was written.
        StoreCorruptError: a payload is missing or damaged.
        EncryptionError: they are encrypted, and the store's codec cannot decrypt them.
    """
    pages = await store.pages(execution_id)
    last, head = verify_chain(pages)
    codec = store.codec
    events: list[AnyEvent] = []
    for page in pages:
        place = b"" if codec is None else page_place(run_id, name, page.first)
        opened = open_page(page.body, codec, place)
        for event, field, reference in outside_payloads(opened):
            setattr(event, field, await store.blob(reference.digest))
        events.extend(opened)
    return events, head, last


def completed_fan_outs(events: Iterable[AnyEvent]) -> list[str]:
    """Return the steps of the fan-outs that a history says are completed."""
    return [event.step for event in events if isinstance(event, FanOutCompleted)]


async def load(
    store: Store,
    guard: Guard,
    program: Program,
    execution_id: int,
    run_id: str,
    name: str,
    sign: Callable[[str, str, float], str],
) -> tuple[Live, list[Issued]]:
    """Bring an owned execution into memory; return it with the commands its history does not have yet.

    Raises:
        DivergenceError: the code does not fit the history.
        HistoryError, StoreCorruptError: the history is damaged.
        EncryptionError: it cannot be decrypted here.
    """
    events, head, last = await read_history(store, execution_id, run_id, name)
    fan_outs = FanOuts(store, execution_id)
    await fan_outs.fetch(completed_fan_outs(events))
    execution = Execution(program, guard, fan_outs.open)
    execution.runtime.sign = sign
    live = Live(execution_id, run_id, name, program.name, execution)
    live.fan_outs = fan_outs
    try:
        tail = recover(execution, events)
    except BaseException:
        execution.evict()
        raise
    live.head, live.last = head, last
    if isinstance(events[0], WorkflowStarted):
        live.keys = events[0].keys or None
        live.traceparent = events[0].traceparent
    timers: dict[str, float] = {}
    for event in events:
        match event:
            case TimerStarted(step=step, due=due):
                timers[step] = due
            case TimerFired(step=step) | TimerCancelled(step=step):
                timers.pop(step, None)
            case UpdateAccepted(update_id=update_id):
                live.updates[update_id] = None
            case UpdateCompleted(update_id=update_id):
                live.updates[update_id] = event
            case _:
                pass
    # A timer that the code has dropped in the tail is not waited for.
    live.timers = {step: due for step, due in timers.items() if step in execution.open}
    return live, tail
