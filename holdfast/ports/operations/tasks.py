"""Tasks in the queue.

Owns: taking them, and what came of them.
Must not know: what they do.
"""

from __future__ import annotations

from holdfast.ports.operations.base import Value


class ClaimTasks(Value, frozen=True):
    """Claim queue rows, highest priority and oldest first. Result: tuple[ClaimedTask]."""

    pools: tuple[tuple[str, int], ...]
    """(pool, how many at most) pairs."""
    tasks: tuple[str, ...]
    """Names of the tasks the member knows."""
    starts_within: float = 0.0
    """So many seconds after the claim the member may need to start what takes of rates, where that is longer than it is
    given anyway; what it takes counts for so much longer."""
    oldest: bool = False
    """Take the oldest of the highest priority first, whoever holds its prefix: nobody is passed over for ever."""


class ClaimedTask(Value, frozen=True):
    """One attempt the writing member is to make."""

    task_id: int
    execution_id: int
    run_id: str
    execution: str
    step: str
    task: str
    input: bytes
    pool: str
    options: bytes
    attempt: int
    queued_at: float
    failures: bytes
    progress: bytes
    """What the previous attempt reported last; empty for none."""
    token: int
    """Fencing token of this claim."""
    recoveries: int = 0
    traceparent: str = ""
    """As it was queued."""
    waited: float = 0.0
    """So many seconds after the claim was asked for, at least, it took what it takes of rates."""


class ParkForFailure(Value, frozen=True):
    """Park a run because a rule says so of a failure. Result: whether it was running.

    What is queued of it is set aside until it is resumed.
    """

    execution_id: int
    reason: str


class FinishTask(Value, frozen=True):
    """Hand in a final outcome: the queue row goes, `body` goes to the run's inbox. Result: True or FencedError."""

    task_id: int
    token: int
    body: bytes
    """An encoded input event."""
    execution_id: int = 0
    step: str = ""
    """Whose outcome it is, as the claim said: a body that is encrypted is so for its place."""


class FinishOwnTask(Value, frozen=True):
    """As FinishTask, for a row queued with `own`: it is named by execution and step. Result: True or FencedError."""

    execution_id: int
    step: str
    attempt: int
    body: bytes


class RetryOwnTask(Value, frozen=True):
    """As RetryTask, for a row queued with `own`. Result: True or FencedError."""

    execution_id: int
    step: str
    attempt: int
    visible_at: float
    failures: bytes
    progress: bytes = b""
    """What the attempt reported last; empty for nothing."""


class RetryTask(Value, frozen=True):
    """Hand in a failed attempt that is to be tried again at `visible_at`. Result: True or FencedError."""

    task_id: int
    token: int
    visible_at: float
    failures: bytes
    """Encoded failed attempts so far, this one included."""
    execution_id: int = 0
    step: str = ""
    """As in FinishTask."""
    tried: bool = True
    """False gives the row back untried, for later: the attempt does not count."""


class ReleaseTasks(Value, frozen=True):
    """Give back claimed rows untried (shutdown): claimable at once, same attempt number. Result: number released."""

    task_ids: tuple[int, ...]


class BeatTasks(Value, frozen=True):
    """Record progress of claimed rows. Result: tuple of the task ids among them that are no longer wanted or owned."""

    progress: tuple[tuple[int, int, bytes], ...]
    """(task id, token, progress as JSON text or empty for "unchanged")."""


class PoolRecord(Value, frozen=True):
    """One pool's load, for autoscaling."""

    pool: str
    backlog: int
    in_flight: int
    oldest_seconds: float
    slots: int
    """Slots of live members that serve it."""
    paused: bool = False
    """Nothing of it is claimed until somebody resumes it."""
    limit: int | None = None
    """How many of its tasks may be claimed at once, in the whole fleet; None for as many as there are slots."""


class QueueRecord(Value, frozen=True):
    """A queued task, as `explain` and the dashboard show it."""

    task_id: int
    execution_id: int
    step: str
    task: str
    pool: str
    attempt: int
    visible_at: float
    owner: str
    progress: bytes
    failures: bytes = b""
    """Encoded failed attempts so far."""
    line: str = ""
    """What it stands in line for: `place NAME` of a limit, `rate NAME`, `pool NAME` for the turn of its key,
    or `prefix NAME` in a pool for a worker that holds its prefix."""
