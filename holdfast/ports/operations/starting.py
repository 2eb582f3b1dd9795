"""Starting runs, and the next executions of runs that exist.

Owns: what a run begins with, and what a taken id means.
Must not know: who starts it.
"""

from __future__ import annotations

from holdfast.history import Page
from holdfast.ports.operations.base import Value
from holdfast.ports.operations.statuses import RUNNING


class LeasedPlace(Value, frozen=True):
    """A lock held by a lease that an execution is to hold from now on, as what its `step` acquired."""

    name: str
    holder: str
    token: int
    step: str


class StartRun(Value, frozen=True):
    """Create the first execution of a run, or find the run that has this id already. Result: Started.

    Refused with RunConflictError when the id exists with another workflow or input digest; with LockLost when one of
    `places` is not held any more; with HistoryError when outcomes of one of `fan_outs` were pruned.
    """

    run_id: str
    workflow: str
    input_digest: bytes
    page: Page
    """Holds the WorkflowStarted event."""
    blobs: tuple[tuple[bytes, bytes], ...] = ()
    own: bool = False
    """The writing member owns the new execution at once, instead of leaving it to be claimed."""
    code_version: str = ""
    pin: str = ""
    """The only code version that may have the run; '' is any."""
    deadline: float = 0.0
    """When the execution is timed out; 0 is never. Its owner does it by itself, a reap does it where there is none."""
    places: tuple[LeasedPlace, ...] = ()
    """Held leases that become the execution's own: of a fork, whose history says that it holds them."""
    fan_outs: tuple[int, ...] = ()
    """Ended fan-outs of another execution whose outcomes are the new one's, too."""
    attributes: tuple[tuple[str, str], ...] = ()
    """(name, literal) pairs that the run is found by, each name once. They go along when the run goes on."""
    memo: bytes = b""
    """Encoded memo; the client's business. It goes along when the run goes on."""
    other_digests: tuple[bytes, ...] = ()
    """Further digests of the same input: what it was, or will be, known by under other keys."""
    notices: tuple[bytes, ...] = ()
    """URLs that are told how the run has ended."""
    start_at: float = 0.0
    """When it may be claimed; what it is sent waits until then. 0, or a time that has come, is at once. Not with `own`.

    A `cancel` that comes before ends it as CANCELLED in the same transaction: its code never begins.
    """


SAME_INPUT = "same_input"
"""The policy without which a start is its own idempotency key: the same work is the same run, other work is refused."""
ALLOW_DUPLICATE = "allow_duplicate"
ALLOW_DUPLICATE_FAILED_ONLY = "allow_duplicate_failed_only"
REJECT_DUPLICATE = "reject_duplicate"
FAIL = "fail"
USE_EXISTING = "use_existing"
TERMINATE_EXISTING = "terminate_existing"
ID_REUSE_POLICIES = (SAME_INPUT, ALLOW_DUPLICATE, ALLOW_DUPLICATE_FAILED_ONLY, REJECT_DUPLICATE)
"""What a start may ask for when the newest execution of its id has ended."""
ID_CONFLICT_POLICIES = (SAME_INPUT, FAIL, USE_EXISTING, TERMINATE_EXISTING)
"""What a start may ask for when the newest execution of its id is open."""


class IdPolicy(Value, frozen=True):
    """What a start does when there is a run with its id."""

    reuse: str = SAME_INPUT
    """One of ID_REUSE_POLICIES: the run has ended."""
    conflict: str = SAME_INPUT
    """One of ID_CONFLICT_POLICIES: the run is open."""
    only: tuple[str, ...] = ()
    """The workflows whose runs the author has to do with; a run of another one refuses the start. () is all."""


class StartSignal(Value, frozen=True):
    """A signal to the run that a start makes or finds."""

    name: str
    body: bytes
    operation_id: str


class StartNext(StartRun, frozen=True):
    """Create the next execution of a run, or find the run that has this id, as `policy` says.

    Result: Started, or Overtaken. Refused with RunConflictError. `own`, `places` and `fan_outs` are not looked at: the
    execution is ready to be claimed. One that is terminated to make place ends in the same transaction, whoever owns
    it; its owner finds a `taken` message.
    """

    number: int = 1
    """Which execution of the run `page` is the beginning of."""
    policy: IdPolicy = IdPolicy()
    signal: StartSignal | None = None
    """Goes into the inbox of the execution that is created or found; one that has ended refuses it with RunClosedError.
    An execution that had this `operation_id` before is found, whatever `policy` says."""


class Overtaken(Value, frozen=True):
    """Nothing was done: an execution is to be created, but it would be another one than the page was made for."""

    number: int
    """Which one it would be."""


class Started(Value, frozen=True):
    """A run that exists now. `created` is False when it did before."""

    execution_id: int
    execution: str
    created: bool
    status: str = RUNNING
