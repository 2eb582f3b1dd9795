"""Members: who owns runs and tasks, for as long as a lease lasts.

Owns: joining, renewing, leaving, and the end of those who did not renew.
Must not know: what members own.
"""

from __future__ import annotations

import msgspec

from holdfast.ports.operations.base import Value


class Membership(Value, frozen=True):
    """Proof of who writes: a member's number and the epoch of its lease."""

    member: int
    epoch: int


class Join(Value, frozen=True):
    """Become a member for `lease_seconds` from now. Result: Membership. Member numbers are never reused."""

    name: str
    kind: str
    """`controller`, `orchestrator`, `worker` or `stack` (all three)."""
    host: str
    pid: int
    lease_seconds: float
    workflows: tuple[str, ...] = ()
    pools: tuple[tuple[str, int], ...] = ()
    """(pool, slots) pairs that the member serves."""
    first_seconds: float = 0.0
    """The first lease lasts at least this long: what will renew it is a process that has to start."""
    versions: dict[str, str] = msgspec.field(default_factory=dict)
    """The version of each workflow that the member has, where there is one."""


class Beat(Value, frozen=True):
    """Renew a lease. Result: True, or FencedError when it was lost before."""

    membership: Membership
    lease_seconds: float
    state: str = "alive"
    """`alive`, or `blocked at file.py:line`, as the one who beats sees it."""


class Leave(Value, frozen=True):
    """Give up a lease in good order: owned runs and claimed tasks become claimable at once. Result: True."""

    membership: Membership


class Reap(Value, frozen=True):
    """End the leases that expired, free what their members held; end runs whose time is up and that nobody owns.

    Result: Reaped.

    Runs become ready with `recoveries` + 1, queue rows and chunks become claimable with `recoveries` + 1; one whose
    count would pass `recoveries_max` is parked instead (a run: status PARKED with the reason; a queue row: finished
    with a final failure through the inbox of its run; a chunk: its run parked).
    """

    recoveries_max: int


class Reaped(Value, frozen=True):
    """What a reap found."""

    members: tuple[str, ...] = ()
    """Names of the members that were declared dead."""
    runs: int = 0
    tasks: int = 0
    parked: tuple[str, ...] = ()
    """Run ids parked as poison."""


class MemberRecord(Value, frozen=True):
    """A member, alive or not."""

    member: int
    name: str
    kind: str
    host: str
    pid: int
    epoch: int
    state: str
    """`alive`, `blocked at ...`, `expired`, `left`, `dead`."""
    joined_at: float
    expires_at: float
    workflows: tuple[str, ...]
    pools: tuple[tuple[str, int], ...]
    runs: int
    tasks: int
    refused: int
    """Writes of this member that were refused after it lost its lease."""
    versions: dict[str, str] = msgspec.field(default_factory=dict)
    """As in Join."""
    prefixes: tuple[str, ...] = ()
    """Digests of the prefixes of prompts that it holds."""
