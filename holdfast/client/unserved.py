"""Pools in which tasks wait and that nobody serves.

Owns: when that is so, and the words for it.
Must not know: who is told.
"""

from __future__ import annotations

from holdfast.ports.operations import PoolRecord


def unserved(pool: PoolRecord) -> str | None:
    """Return a warning when tasks wait in a pool that no living worker serves; None when that is not so."""
    if pool.slots or not pool.backlog:
        return None
    return f"tasks wait, and no living worker serves the pool: holdfast worker MODULE --pool {pool.pool}=8"
