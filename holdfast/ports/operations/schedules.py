"""Schedules: what is started by itself, and what came of it.

Owns: the operations on schedules, and their records.
Must not know: when a schedule is due, what its state means.

Everybody who changes a schedule says which revision the change is based on. A change that is based on an older one is
not made: whoever wanted it looks again. So any number of processes may decide at once, and what is done is done once.
"""

from __future__ import annotations

from holdfast.ports.operations.base import Value
from holdfast.ports.operations.carrying import Carrying
from holdfast.ports.operations.statuses import TERMINAL

STARTED = "started"
FOUND = "found"
"""The run was there before, with the same input."""
SKIPPED = "skipped"
MISSED = "missed"
REFUSED = "refused"


class FireNote(Value, frozen=True):
    """What is noted of one due time, or of several in a row with which the same happened."""

    kind: str
    """`due`, `backfill` or `now`."""
    outcome: str
    """STARTED until the store knows better (FOUND, REFUSED), SKIPPED or MISSED."""
    due: int
    until: int
    """The last of them."""
    count: int = 1
    run_id: str = ""
    words: str = ""


class PutSchedule(Value, frozen=True):
    """Create a schedule, or give it other contents. Result: True, or False when the revision is not its newest."""

    name: str
    revision: int
    """The one that the change is based on; 0 creates."""
    source: str
    """`code`, `config` or `api`: who says what it is."""
    spec: bytes
    """What it is; the controller's business."""
    input: bytes
    """What each of its runs gets, as JSON text."""
    state: bytes
    """How far it is; the controller's business."""
    next_at: float | None
    """When it has to be looked at next; None is never."""


class MoveSchedule(Carrying, frozen=True, kw_only=True):
    """Bring a schedule forward, together with the act that this means. Result: Moved, or Overtaken of the act.

    Refused with StoreFullError when the act is; nothing is noted then. An act that is refused otherwise is noted.
    """

    name: str
    revision: int
    state: bytes
    next_at: float | None
    fires: tuple[FireNote, ...] = ()
    """In order. The one that is STARTED is the act's."""
    settled: tuple[str, ...] = ()
    """Ids of runs whose end has been taken into account."""
    action: str = ""
    """What somebody does by it, such as `pause`; empty where nobody does, or the act says it."""


class Moved(Value, frozen=True):
    """What came of a step."""

    moved: bool
    """False: the revision is not the newest, and nothing was done."""
    created: bool = False
    """The act began a run."""
    refused: str = ""
    """Why the act was not carried out."""


class DropSchedule(Value, frozen=True):
    """Delete a schedule, and what was noted of it. Its runs stay. Result: True when there was one."""

    name: str


class ScheduleRun(Value, frozen=True):
    """A run of a schedule whose end has not been taken into account yet."""

    run_id: str
    status: str

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.status not in TERMINAL


class ScheduleRecord(Value, frozen=True):
    """A schedule, as it is stored."""

    name: str
    revision: int
    source: str
    spec: bytes
    input: bytes
    state: bytes
    next_at: float | None
    created_at: float
    changed_at: float
    """When it was given its contents."""
    runs: tuple[ScheduleRun, ...] = ()
    """Oldest first."""


class FireRecord(Value, frozen=True):
    """What was noted of a due time."""

    kind: str
    outcome: str
    due: int
    until: int
    count: int
    run_id: str
    words: str
    noted_at: float
