"""Locks, and the leases of scripts and tasks.

Owns: taking, renewing, giving back and breaking them.
Must not know: what they protect.
"""

from __future__ import annotations

from holdfast.ports.operations.base import Value


class AcquireLease(Value, frozen=True):
    """Queue for a lock from outside a workflow, or ask again. Result: token (int > 0) when held, 0 while waiting.

    FIFO with the workflows' requests for the same name. Expires `lease_seconds` after the last ask or renewal.
    """

    name: str
    slots: int
    holder: str
    """Names this request; asking again with it keeps its place."""
    lease_seconds: float


class RenewLease(Value, frozen=True):
    """Renew a held lease. Result: True, or LockLost."""

    name: str
    token: int
    lease_seconds: float


class ReleaseLease(Value, frozen=True):
    """Give back a held lease, or leave the queue. Result: True, or LockLost when it was lost before."""

    name: str
    holder: str


class BreakLock(Value, frozen=True):
    """Take a lock from its holder by force; the next in line gets it. Result: the holder's name, or ''."""

    name: str


class LockRecord(Value, frozen=True):
    """One place in a lock's queue."""

    name: str
    slots: int
    holder: str
    """Execution and step, or the name a script gave."""
    held: bool
    token: int
    since: float
    expires_at: float | None


class LinePlace(Value, frozen=True):
    """Where somebody stands in a lock's line who asked by a lease."""

    token: int
    """Of the slot that is held; 0 while it is waited for."""
    ahead: int
    """How many wait before."""
    next_expiry: float | None
    """When the first place of the line runs out, as things are."""
