"""The ledger: effects that are to happen once.

Owns: entries and their results.
Must not know: what the effects are.
"""

from __future__ import annotations

from holdfast.ports.operations.base import Value


class OpenEntry(Value, frozen=True):
    """Lease a ledger entry. Result: token (int), or AlreadyProcessed, or LeaseHeld."""

    name: str
    holder: str
    lease_seconds: float


class RenewEntry(Value, frozen=True):
    """Renew the lease of an entry. Result: True, or LeaseLost."""

    name: str
    token: int
    lease_seconds: float


class CloseEntry(Value, frozen=True):
    """Give up the lease of an entry that was not marked done. Result: True, or LeaseLost."""

    name: str
    token: int


class MarkDone(Value, frozen=True):
    """Record a ledger result. With a token: LeaseLost unless it is the newest. Without: the first writer wins.

    Result: True when this write recorded it, AlreadyProcessed when another did before; LeaseHeld without a token
    while somebody else's lease is live.
    """

    name: str
    result: bytes
    token: int | None = None


class EntryRecord(Value, frozen=True):
    """A ledger entry."""

    name: str
    done: bool
    result: bytes
    done_at: float | None
    holder: str
