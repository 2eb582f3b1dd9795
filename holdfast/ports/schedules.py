"""Schedules that an engine keeps itself.

Owns: the port, and a schedule as the engine has it.
Must not know: which engine that is, what a schedule's words mean.

The embedded engine keeps none: its schedules are in the store, and controllers act on them. A Temporal cluster has
schedules of its own, and acts on them whether or not any of our processes is there.
"""

from __future__ import annotations

from typing import Protocol

import msgspec


class KeptFire(msgspec.Struct, frozen=True):
    """A due time on which the engine has acted. Times are seconds since the epoch."""

    due: float
    acted_at: float
    run_id: str
    status: str
    """How the run stood when the engine looked last, such as RUNNING."""


class KeptSchedule(msgspec.Struct, frozen=True):
    """A schedule as an engine keeps it. Times are seconds since the epoch."""

    name: str
    source: str
    """`code`, `config` or `api`; empty where somebody else has made it."""
    spec: bytes
    """JSON text; see `holdfast.authoring.schedules.ScheduleSpec`."""
    input: bytes = b""
    """JSON text. Not in lists."""
    next: tuple[float, ...] = ()
    paused: bool = False
    notes: str = ""
    """What was written down when it was paused or resumed."""
    running: tuple[str, ...] = ()
    """Run ids."""
    waiting: int = 0
    """How many runs start when the open one has ended."""
    fired: int = 0
    skipped: int = 0
    missed: int = 0
    created_at: float = 0.0
    changed_at: float = 0.0
    fires: tuple[KeptFire, ...] = ()
    """What came of its last times, newest first."""


class Schedules(Protocol):
    """Keeps schedules, and starts their runs."""

    async def put(self, wanted: KeptSchedule) -> bool:
        """Create a schedule, or change it to name, source, spec and input of what is wanted; say whether it was needed.

        Raises:
            NotOnEngineError: the engine has no schedules like this one; it says why.
        """

    async def read(self, name: str) -> KeptSchedule:
        """Return a schedule. Raises UnknownNameError."""

    async def all(self) -> list[KeptSchedule]:
        """Return all schedules, by name."""

    async def delete(self, name: str) -> None:
        """Delete a schedule; its runs stay. Raises UnknownNameError."""

    async def pause(self, name: str, note: str) -> None:
        """Keep a schedule from starting anything. Raises UnknownNameError."""

    async def resume(self, name: str, note: str) -> None:
        """Let a schedule go on. Raises UnknownNameError."""

    async def run_now(self, name: str, operation_id: str) -> None:
        """Have a run of it started at once, as its overlap policy allows. Raises UnknownNameError."""

    async def backfill(self, name: str, start: int, end: int, operation_id: str) -> None:
        """Have runs started for times that are over; both ends count. Raises UnknownNameError."""
