"""An execution in memory, with what its owner still has to write.

Owns: the order in which facts will stand in the next page, and the page's making.
Must not know: the store, tasks' code, other executions.

Facts wait here as *entries*: inputs that arrived, and commands that are to be
recorded. A page takes all entries there are; while it is being committed, new
ones gather for the page after it. Inputs of a page are applied only when the
page is durable.
"""

from __future__ import annotations

from holdfast.engine.decisions import Issued, decision_of
from holdfast.engine.execution import Execution
from holdfast.history import (
    ROOT,
    AnyEvent,
    Input,
    Page,
    UpdateCompleted,
    WorkflowCancelled,
    WorkflowCompleted,
    WorkflowFailed,
    WorkflowTerminated,
    seal,
)
from holdfast.ports.engine import Outcome
from holdfast.ports.operations import (
    CANCELLED,
    COMPLETED,
    FAILED,
    TERMINATED,
    LockRequest,
    QueueFanOut,
    QueueTask,
)

Entry = Issued | Input | WorkflowTerminated


class Live:
    """One owned execution."""

    __slots__ = (
        "busy",
        "closing",
        "entries",
        "execution",
        "execution_id",
        "fan_outs",
        "flying",
        "flying_counts",
        "flying_stable",
        "head",
        "inbox_read",
        "last",
        "lock",
        "name",
        "park",
        "queue",
        "run_id",
        "stable",
        "timers",
        "unlock",
        "unqueue",
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
        self.queue: list[QueueTask] = []
        self.unqueue: list[str] = []
        self.fan_outs: list[QueueFanOut] = []
        self.lock: list[LockRequest] = []
        self.unlock: list[str] = []
        self.inbox_read = 0
        """Inbox rows up to this id are among the entries, or were."""
        self.closing: Issued | WorkflowTerminated | None = None
        """The last entry of the execution's last page, whatever else still arrives."""
        self.park = ""
        self.stable = False
        """The next write says that the execution got somewhere."""
        self.unstable = False
        """It was recovered from a dead member, and has not got anywhere since."""
        self.flying = False
        """A write of this execution is under way."""
        self.flying_counts = (0, 0, 0, 0, 0, 0)
        """How much of entries, queue, fan_outs, lock, unlock and unqueue that write carries."""
        self.flying_stable = False
        self.busy: dict[str, object] = {}
        """Steps whose first attempt runs in this process, not recorded yet or promoted."""
        self.timers: dict[str, float] = {}
        """Recorded timers, by step: when each is due."""
        self.updates: dict[str, UpdateCompleted | None] = {}
        """Updates in history, by id: None until answered."""
        self.used = 0.0
        """When it was last advanced, for eviction."""

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being written, run or waited for in this process."""
        return not (self.flying or self.entries or self.busy or self.queue or self.closing or self.park)

    @property
    def is_dirty(self) -> bool:
        """Whether there is something to write."""
        return bool(self.entries or self.closing or self.stable or self.park or self.unqueue or self.unlock)

    def make_page(self, now: float, blobs: dict[bytes, bytes]) -> tuple[Page | None, list[AnyEvent]]:
        """Turn the entries into the next page; return it with its events.

        The entries stay until the page has landed.

        Args:
            now: seconds since the epoch, recorded with each decision.
            blobs: receives the payloads that are stored outside the page.
        """
        entries = self.entries
        if self.closing is not None:
            entries = [*entries, self.closing]
        if not entries:
            return None, []
        events: list[AnyEvent] = []
        issued = self.execution.issued
        for each in entries:
            if type(each) is Issued:
                events.append(decision_of(each, now))
            else:
                if isinstance(each, Input):
                    # All inputs before this page are drained, so the count holds for its first input only.
                    each.issued, issued = issued, -1
                events.append(each)  # type: ignore[arg-type]  # every Input is an InputEvent
        return seal(events, self.last + 1, self.head, blobs), events

    def take_off(self) -> None:
        """Note what the write that is about to start carries; what comes later belongs to the next one."""
        self.flying = True
        self.flying_stable, self.stable = self.stable, False
        self.flying_counts = (
            len(self.entries),
            len(self.queue),
            len(self.fan_outs),
            len(self.lock),
            len(self.unlock),
            len(self.unqueue),
        )

    def land(self, page: Page | None, *, durable: bool) -> None:
        """Note that the write is over; when it is durable, drop what it carried."""
        self.flying = False
        if durable:
            entries, queue, fan_outs, lock, unlock, unqueue = self.flying_counts
            del self.entries[:entries]
            del self.queue[:queue]
            del self.fan_outs[:fan_outs]
            del self.lock[:lock]
            del self.unlock[:unlock]
            del self.unqueue[:unqueue]
            if page is not None:
                self.head, self.last = page.hash, page.last
        else:
            self.stable |= self.flying_stable
        self.flying_counts = (0, 0, 0, 0, 0, 0)

    def withdraw(self, step: str) -> bool:
        """Drop the queue row, fan-out or lock request of `step` that no write has carried yet; say if there was one."""
        _, queue, fan_outs, lock, _, _ = self.flying_counts
        for rows, flown in ((self.queue, queue), (self.fan_outs, fan_outs), (self.lock, lock)):
            for index in range(flown, len(rows)):
                if rows[index].step == step:
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
        case WorkflowTerminated(reason=reason):
            return Outcome(TERMINATED, reason=reason)
        case _:
            return None
