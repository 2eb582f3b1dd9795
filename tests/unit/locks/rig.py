"""What tests of leases share: a store whose time a test sets.

Owns: opening and closing it.
Must not know: what any test is about.
"""

from __future__ import annotations

from contextlib import asynccontextmanager

from holdfast.stores import GroupCommit, SQLiteStore

LEASE = 0.6
"""A third of it is how often somebody who waits asks again, in real time."""


class SetClock:
    """A clock that a test sets: nothing expires before."""

    def __init__(self) -> None:
        self.time = 1_000.0

    def now(self) -> float:
        """Return the time set."""
        return self.time

    def pass_lease(self) -> None:
        """Let every lease that is not renewed run out."""
        self.time += 10.0


@asynccontextmanager
async def opened(folder):
    """Give a store and its clock."""
    clock = SetClock()
    store = GroupCommit(SQLiteStore(folder / "holdfast.db", clock=clock))
    await store.open()
    try:
        yield store, clock
    finally:
        await store.close()
