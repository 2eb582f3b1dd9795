"""What a process holds by a lease, and the operations that renew and end it.

Owns: the two kinds of lease.
Must not know: who renews them and when.

A lease is told from all others by its token, which comes from one counter for the whole store.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, assert_never

import msgspec

from holdfast.errors import HoldfastError
from holdfast.ports.operations import CloseEntry, Operation, ReleaseLease, RenewEntry, RenewLease
from holdfast.ports.store import Store


class EntryLease(msgspec.Struct, frozen=True, tag="entry"):
    """The lease of a ledger entry."""

    name: str
    token: int


class PlaceLease(msgspec.Struct, frozen=True, tag="place"):
    """A place that is held at a lock or semaphore."""

    name: str
    token: int
    holder: str
    """Names the request that got it."""


Lease: TypeAlias = EntryLease | PlaceLease


def renewal(lease: Lease, lease_seconds: float) -> Operation:
    """Return the operation that renews a lease."""
    match lease:
        case EntryLease():
            return RenewEntry(lease.name, lease.token, lease_seconds)
        case PlaceLease():
            return RenewLease(lease.name, lease.token, lease_seconds)
        case _:
            assert_never(lease)


def release(lease: Lease) -> Operation:
    """Return the operation that gives a lease back."""
    match lease:
        case EntryLease():
            return CloseEntry(lease.name, lease.token)
        case PlaceLease():
            return ReleaseLease(lease.name, lease.holder)
        case _:
            assert_never(lease)


async def renew(store: Store, leases: Sequence[Lease], lease_seconds: float) -> list[Lease]:
    """Renew leases in one transaction; return those that were lost before.

    Raises:
        StoreError: it could not be written; nothing is known about any of them.
    """
    if not leases:
        return []
    answers = await store.write([renewal(each, lease_seconds) for each in leases])
    return [lease for lease, answer in zip(leases, answers, strict=True) if isinstance(answer, HoldfastError)]


async def give_back(store: Store, leases: Sequence[Lease]) -> None:
    """Give leases back in one transaction; those that were lost before stay lost. Raises StoreError."""
    if leases:
        await store.write([release(each) for each in leases])
