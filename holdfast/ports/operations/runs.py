"""Runs as whole things.

Owns: keeping them from moving, finding and counting them.
Must not know: their histories.
"""

from __future__ import annotations

import msgspec

from holdfast.history import Page
from holdfast.ports.operations.appending import Closing
from holdfast.ports.operations.base import Value


class Pause(Value, frozen=True):
    """Keep a run from moving until `Resume`. Result: True, also when it was paused before, whose words then stand.

    Refused with RunNotFoundError or RunClosedError. From this transaction on nobody owns it, its timers wake nobody,
    and what is queued for it is not claimed; what is claimed may end, and waits in its inbox. The member that owned it
    finds a `taken` message in its inbox, until it releases the execution.
    """

    run_id: str
    by: str
    """Who wants it."""
    reason: str = ""


class Resume(Value, frozen=True):
    """Make a parked or paused run claimable again, its `recoveries` at 0. Result: True.

    Refused with RunNotFoundError, RunClosedError, or RunStateError when it is neither.

    The run gets a message of kind `resume`, for code that had parked it.
    """

    run_id: str


class MoveAway(Value, frozen=True):
    """End a paused run that goes on elsewhere, with all that it was told in its last page. Result: True.

    Refused with RunClosedError, or RunStateError: it is not paused, somebody has appended to it, or it has been told
    something that `inbox` does not name. Then whoever moves it reads it again: nothing that was acknowledged is lost.
    """

    execution_id: int
    run_id: str
    inbox: tuple[int, ...]
    """Ids of the messages that the page holds, or that mean nothing to the run: all it has."""
    page: Page
    """Follows the last one; ends with WorkflowTerminated."""
    closing: Closing
    blobs: tuple[tuple[bytes, bytes], ...] = ()


class RunRecord(Value, frozen=True):
    """An execution, as lists and descriptions show it."""

    execution_id: int
    run_id: str
    execution: str
    workflow: str
    status: str
    created_at: float
    closed_at: float | None
    parked: str
    """Reason, when parked."""
    outcome: bytes
    """Encoded outcome when closed, else empty."""
    owner: str
    """Name of the member that owns it, or ''."""
    last_event: int
    code_version: str
    recoveries: int
    wake_at: float | None
    paused_by: str = ""
    """Who paused it, when it is PAUSED."""
    paused_reason: str = ""
    paused_at: float | None = None
    attributes: dict[str, str] = msgspec.field(default_factory=dict)
    """Literals by name. Of a run that went on, only the newest execution has them."""
    memo: bytes = b""
    """Encoded memo, empty for none. As `attributes`."""
    pin: str = ""
    """The only code version that may have it; '' is any."""
    starts_at: float = 0.0
    """When it is to begin, until that has come; then 0."""
    forked_from: str = ""
    """The execution with whose history it began, where whoever describes it knows; empty for none."""


class RunFilter(Value, frozen=True):
    """Which runs are meant, by what their newest execution is. All that is given has to hold."""

    workflow: str | None = None
    statuses: tuple[str, ...] = ()
    """Any of these; none of them is any status."""
    created_from: float | None = None
    created_before: float | None = None
    error: str = ""
    """Text in what is kept of its failure, or in why it is parked. Upper and lower case count."""
    attributes: tuple[tuple[str, str], ...] = ()
    """(name, text) pairs: it has each of these attributes with a value that is written so, such as `12` or `eu`."""
    workflows: tuple[str, ...] = ()
    """It is a run of one of these; none of them is any workflow."""


class Totals(Value, frozen=True):
    """Counts over the whole store."""

    runs: dict[str, int]
    """Status to number of newest executions."""
    refused_writes: int
    """Writes refused because their author had lost its lease, since the store was made."""
    ready: int = 0
    """Runs that could go on, and that no orchestrator has."""
    late: int = 0
    """Runs that no orchestrator has, with a timer that is due."""
    late_seconds: float = 0.0
    """How long the first of these timers has been due."""
