"""From an execution's rows back into memory.

Owns: reading a history from the store, and replaying it into a live execution.
Must not know: what the owner does with it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
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
"""How many outcomes of a fan-out are read, and kept, at a time."""


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


def open_fan_out(store: Store, execution_id: int) -> Callable[[str, FanOutCompleted], FanOutOutcome]:
    """Return what gives an execution access to its fan-outs' outcomes."""

    def open_one(step: str, event: FanOutCompleted) -> FanOutOutcome:
        return StoredOutcomes(store, execution_id, step, event.count, event.failed)

    return open_one


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
    execution = Execution(program, guard, open_fan_out(store, execution_id))
    execution.runtime.sign = sign
    live = Live(execution_id, run_id, name, program.name, execution)
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
