"""An execution in memory, with what its owner still has to write.

Owns: the order in which facts will stand in the next page, and the page's making.
Must not know: the store, tasks' code, other executions.

Facts wait here as *entries*: inputs that arrived, and commands that are to be
recorded. A page takes all entries there are; while it is being committed, new
ones gather for the page after it. Inputs of a page are applied only when the
page is durable, or were durable before as messages: see `ahead`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Protocol

from holdfast.engine import Execution, Issued, decision_of
from holdfast.errors import HoldfastError
from holdfast.history import (
    ROOT,
    AnyEvent,
    Codec,
    ContinueRun,
    Input,
    MarkPatch,
    Page,
    ParkRun,
    UpdateCompleted,
    WorkflowCancelled,
    WorkflowCompleted,
    WorkflowContinued,
    WorkflowFailed,
    WorkflowTerminated,
    WorkflowTimedOut,
    page_place,
    seal,
)
from holdfast.ports.engine import Outcome
from holdfast.ports.operations import (
    CANCELLED,
    COMPLETED,
    CONTINUED_AS_NEW,
    FAILED,
    TERMINATED,
    TIMED_OUT,
    ChildCancel,
    LockRequest,
    NewChild,
    Outgoing,
    OutgoingMessage,
    QueueFanOut,
    QueueTask,
)

Unasked = WorkflowTerminated | WorkflowTimedOut
Entry = Issued | Input | Unasked


class OpensFanOuts(Protocol):
    """Gives an execution access to the outcomes of its fan-outs."""

    async def fetch(self, steps: Iterable[str]) -> None:
        """Make the outcomes of fan-outs that are completed ready to be opened. Raises StoreError."""


class Live:
    """One owned execution."""

    __slots__ = (
        "_beside",
        "_flight",
        "ahead",
        "busy",
        "closing",
        "earlier",
        "effects",
        "entries",
        "execution",
        "execution_id",
        "fan_outs",
        "head",
        "held",
        "inbox_read",
        "keys",
        "last",
        "mailed",
        "name",
        "park",
        "run_id",
        "stable",
        "timers",
        "traceparent",
        "unstable",
        "updates",
        "used",
        "workflow",
    )

    def __init__(self, execution_id: int, run_id: str, name: str, workflow: str, execution: Execution) -> None:
        """Keep `execution`, whose history is empty so far."""
        self.execution_id = execution_id
        self.run_id = run_id
        self.name = name
        self.workflow = workflow
        self.execution = execution
        self.head = ROOT
        self.last = 0
        """Id of the last durable event."""
        self.entries: list[Entry] = []
        self.keys: dict[str, str] | None = None
        """Of a fork: the idempotency keys it keeps; see `WorkflowStarted.keys`."""
        self.traceparent = ""
        """Where in which trace the run was started."""
        self.fan_outs: OpensFanOuts | None = None
        """What gives it access to its fan-outs' outcomes; None where there can be none."""
        self.inbox_read = 0
        """Inbox rows up to this id are among the entries, or were."""
        self.mailed: list[Input] = []
        """Entries that are durable already, as messages, and that nobody has tried to apply yet."""
        self.ahead = 0
        """How many entries stand before the end of those that were applied ahead of their page."""
        self.held: list[Issued] | HoldfastError | None = None
        """What came of the last entry applied ahead that has to wait until its page is durable."""
        self.closing: Issued | Unasked | None = None
        """The last entry of the execution's last page, whatever else still arrives."""
        self.park = ""
        """Why the execution is to be parked, once nothing runs in this process that only this process knows of."""
        self.stable = False
        """The next write says that the execution got somewhere."""
        self.unstable = False
        """It was recovered from a dead member, and has not got anywhere since."""
        self._beside: Beside | None = None
        self._flight: tuple[list[Entry], Beside | None, bool] | None = None
        self.busy: dict[str, Any] = {}
        """Steps whose first attempt runs in this process, not recorded yet or promoted."""
        self.effects: dict[str, tuple[Issued, asyncio.Task[bytes]]] = {}
        """Side effects that are under way in this process, not recorded yet."""
        self.timers: dict[str, float] = {}
        """Recorded timers, by step: when each is due."""
        self.updates: dict[str, UpdateCompleted | None] = {}
        """Updates in history, by id: None until answered."""
        self.earlier: dict[str, UpdateCompleted] | None = None
        """Updates that executions before it have answered, by id; None until somebody asks for one it does not know."""
        self.used = 0.0
        """When it was last advanced, for eviction."""

    @property
    def about(self) -> dict[str, str]:
        """The fields that say in a log which run it is about."""
        return {"run_id": self.run_id, "execution": self.name, "workflow": self.workflow}

    @property
    def flying(self) -> bool:
        """Whether a write of this execution is under way."""
        return self._flight is not None

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being written, run or waited for in this process."""
        waits = self._flight or self.entries or self._beside or self.closing or self.park
        return not (waits or self.busy or self.effects)

    @property
    def is_dirty(self) -> bool:
        """Whether there is something to write."""
        return bool(self.entries or self.closing or self.stable or (self.park and self.parks) or self._beside)

    @property
    def parks(self) -> bool:
        """Whether the next write is to park it: nothing that runs in this process is given up for that."""
        if not self.park or self.effects or self.closing is not None:
            return False
        if not all(each.promoted for each in self.busy.values()):
            return False
        return any(type(each.command) is ParkRun for each in self.execution.open.values())

    @property
    def goes_on(self) -> bool:
        """Whether it ends because its run goes on as a new execution."""
        return type(self.closing) is Issued and type(self.closing.command) is ContinueRun

    def mark(self, issued: Issued) -> None:
        """Let a patch's mark stand first in the next page. See `holdfast.engine.patches`."""
        marks = 0
        while marks < len(self.entries) and _is_mark(self.entries[marks]):
            marks += 1
        self.entries.insert(marks, issued)

    @property
    def beside(self) -> Beside:
        """What the next write makes and drops beside the events."""
        if self._beside is None:
            self._beside = Beside()
        return self._beside

    def make_page(
        self, now: float, blobs: dict[bytes, bytes], codec: Codec | None = None
    ) -> tuple[Page | None, list[AnyEvent]]:
        """Turn the entries into the next page; return it with its events.

        The entries stay until the page has landed.

        Args:
            now: seconds since the epoch, recorded with each decision.
            blobs: receives the payloads that are stored outside the page.
            codec: encrypts the page.
        """
        entries = self.entries
        if self.closing is not None:
            entries = [*entries, self.closing]
        if not entries:
            return None, []
        events: list[AnyEvent] = []
        issued = self.execution.issued
        if self.ahead:
            # They know how many commands were issued before them; for those after them, that is not certain.
            events += [decision_of(each, now) if type(each) is Issued else each for each in entries[: self.ahead]]  # type: ignore[misc]  # see below
            entries, issued = entries[self.ahead :], -1
        for each in entries:
            if type(each) is Issued:
                events.append(decision_of(each, now))
            else:
                if isinstance(each, Input):
                    # All inputs before this page are drained, so the count holds for its first input only.
                    each.issued, issued = issued, -1
                events.append(each)  # type: ignore[arg-type]  # every Input is an InputEvent
        first = self.last + 1
        if codec is None:
            return seal(events, first, self.head, blobs), events
        place = page_place(self.run_id, self.name, first)
        return seal(events, first, self.head, blobs, codec, place), events

    def take_off(self) -> Beside | None:
        """Let a write carry everything that waits; return what it makes and drops beside the events."""
        beside = self._beside
        self._flight = (self.entries, beside, self.stable)
        self.entries, self._beside, self.stable = [], None, False
        return beside

    def land(self, page: Page | None, *, durable: bool) -> None:
        """Note that the write is over; what it carried waits again when it is not durable."""
        flight, self._flight = self._flight, None
        assert flight is not None
        if not durable:
            entries, beside, stable = flight
            self.entries = entries + self.entries
            if beside is not None:
                self._beside = beside if self._beside is None else beside.followed_by(self._beside)
            self.stable |= stable
        elif page is not None:
            self.head, self.last, self.ahead = page.hash, page.last, 0

    def withdraw(self, step: str) -> bool:
        """Drop the queue row, fan-out or lock request of `step` that no write has carried yet; say if there was one."""
        return self._beside is not None and self._beside.withdraw(step)


class Beside:
    """What a write makes and drops together with the events that say so."""

    __slots__ = ("attributes", "children", "fan_outs", "lock", "messages", "queue", "stop", "unlock", "unqueue")

    def __init__(self) -> None:
        """Make and drop nothing yet."""
        self.queue: list[QueueTask] = []
        self.unqueue: list[str] = []
        self.fan_outs: list[QueueFanOut] = []
        self.lock: list[LockRequest] = []
        self.unlock: list[str] = []
        self.children: list[NewChild] = []
        self.stop: list[ChildCancel] = []
        self.messages: list[OutgoingMessage] = []
        self.attributes: dict[str, str] = {}

    @property
    def outgoing(self) -> Outgoing | None:
        """What is done to other runs, if anything is."""
        if not (self.children or self.stop or self.messages):
            return None
        return Outgoing(tuple(self.children), tuple(self.stop), tuple(self.messages))

    def followed_by(self, later: Beside) -> Beside:
        """Return both as one write; what `later` drops is not made first."""
        self.unqueue += [each for each in later.unqueue if not self.withdraw(each)]
        self.unlock += [each for each in later.unlock if not self.withdraw(each)]
        self.queue += later.queue
        self.fan_outs += later.fan_outs
        self.lock += later.lock
        self.children += later.children
        self.stop += later.stop
        self.messages += later.messages
        self.attributes.update(later.attributes)
        return self

    def withdraw(self, step: str) -> bool:
        """Drop what was to be made for `step`; say if there was something."""
        return _drop(self.queue, step) or _drop(self.fan_outs, step) or _drop(self.lock, step)


def _is_mark(entry: Entry) -> bool:
    return isinstance(entry, Issued) and isinstance(entry.command, MarkPatch)


def _drop(rows: list[Any], step: str) -> bool:
    for index, row in enumerate(rows):
        if row.step == step:
            del rows[index]
            return True
    return False


def outcome_of(event: AnyEvent) -> Outcome | None:
    """Return how a closing event ends its execution; None for every other event."""
    match event:
        case WorkflowCompleted(result=bytes() as result):
            return Outcome(COMPLETED, result=result)
        case WorkflowFailed(failure=failure):
            return Outcome(FAILED, failure=failure)
        case WorkflowCancelled(reason=reason):
            return Outcome(CANCELLED, reason=reason)
        case WorkflowContinued():
            return Outcome(CONTINUED_AS_NEW)
        case WorkflowTerminated(reason=reason, cancelled=cancelled):
            return Outcome(CANCELLED if cancelled else TERMINATED, reason=reason)
        case WorkflowTimedOut(reason=reason):
            return Outcome(TIMED_OUT, reason=reason)
        case _:
            return None
