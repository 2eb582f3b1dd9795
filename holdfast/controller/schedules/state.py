"""How far a schedule is.

Owns: the form in which that is stored, and a schedule read from its record.
Must not know: stores, what is decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from holdfast.authoring.schedules import ScheduleSpec, Times, decode_spec
from holdfast.ports.operations import ScheduleRecord

Kind = Literal["due", "now", "backfill"]
"""Why a run is started: its time has come, somebody wants it at once, or for a time that is over."""


class Waiting(msgspec.Struct, frozen=True):
    """A run that is to start once none of its schedule is open."""

    kind: Kind
    due: int
    run_id: str


class Backfill(msgspec.Struct, frozen=True):
    """Times that are over, and for which runs are started after all."""

    cursor: int
    """Those up to this one have been dealt with."""
    end: int


class PausedBy(msgspec.Struct, frozen=True):
    """Why a schedule starts nothing."""

    by: str
    reason: str
    at: float


class ScheduleState(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a schedule is."""

    cursor: int
    """Due times up to this one have been dealt with."""
    waiting: Waiting | None = None
    told: tuple[str, ...] = ()
    """Open runs that were asked to stop."""
    backfills: tuple[Backfill, ...] = ()
    paused: PausedBy | None = None
    fired: int = 0
    skipped: int = 0
    missed: int = 0


encode_state: Final = msgspec.json.Encoder().encode
decode_state: Final = msgspec.json.Decoder(ScheduleState).decode


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule that was read: what it is, how far it is, when it is due."""

    record: ScheduleRecord
    spec: ScheduleSpec
    state: ScheduleState
    times: Times

    @classmethod
    def read(cls, record: ScheduleRecord) -> Schedule:
        """Read a record."""
        spec = decode_spec(record.spec)
        return cls(record, spec, decode_state(record.state), Times(record.name, spec))

    @property
    def name(self) -> str:
        """What it is called."""
        return self.record.name
