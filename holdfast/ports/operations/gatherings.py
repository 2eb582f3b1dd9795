"""Gatherings: events that wait for one another, and become one run.

Owns: the operations on gatherings, and their records.
Must not know: what an event says, how a run's input is made of it.

A gathering is known by workflow and key. It is open from its first event until its time has come, or until it is full;
an event that comes then opens the next one. So once it is due nothing is added to it, and the number of its events says
whether whoever read it read all of it.
"""

from __future__ import annotations

from enum import StrEnum

from holdfast.ports.operations.base import Value
from holdfast.ports.operations.carrying import Carrying

GATHERED_BYTES_MAX = 8 * 2**20
"""A gathering whose events are as long as this, all together, is full."""
GATHERED_EVENTS_MAX = 10_000
"""How many events one gathering may be for."""


class GatheringState(StrEnum):
    """How far a gathering is."""

    OPEN = "open"
    """It takes events."""
    FULL = "full"
    """It takes no more, and its run begins as soon as somebody sees to it."""
    BEGUN = "begun"
    """Its run was begun."""
    REFUSED = "refused"
    """Its run was refused; its events are still there."""


class Gather(Value, frozen=True):
    """Add an event to what gathers for a workflow under a key, or begin to gather. Result: Gathered.

    An event whose id came before, for the same workflow, is not added again.
    """

    workflow: str
    key: str
    event: bytes
    """JSON text: an element of the run's input, or all of it where only the last event counts."""
    within: float
    """How long after its first event a gathering is due at the latest, in seconds."""
    quiet: float = 0.0
    """How long no event may come before it is due, in seconds; 0 waits for `within`."""
    size: int = 0
    """How many events are enough; 0 keeps the last one only."""
    event_id: str = ""
    """Names the event; empty for one that has no name."""


class Gathered(Value, frozen=True):
    """Where an event is."""

    gathering_id: int
    run_id: str
    """Of the run that is to begin, or has begun."""
    due_at: float
    events: int
    """How many the gathering has, this one included."""
    is_repeated: bool = False
    """It came before, and nothing was done now."""


class BeginGathered(Carrying, frozen=True, kw_only=True):
    """Let the run of a gathering begin. Result: Begun, or Overtaken of the act.

    Nothing is done unless it has as many events as it had when it was read, and none of it has begun. An act that is
    refused leaves it REFUSED, with all events. Refused itself where the act cannot be carried out now, as on a full
    disk.
    """

    gathering_id: int
    events: int


class Begun(Value, frozen=True):
    """What came of a gathering."""

    begun: bool
    refused: str = ""
    """Why its run was not begun."""


class HurryGathering(Value, frozen=True):
    """Let the run of a gathering begin at once, also one that was refused. Result: whether there is one to begin."""

    gathering_id: int


class PruneGatherings(Value, frozen=True):
    """Forget gatherings whose runs were begun before a time; their events are new then. Result: how many (int)."""

    before: float
    limit: int = 1_000
    """How many at most."""


class GatheringRecord(Value, frozen=True):
    """A gathering, as it is stored."""

    gathering_id: int
    workflow: str
    key: str
    run_id: str
    state: str
    """A GatheringState."""
    size: int
    """How many events are enough; 0 where only the last one counts."""
    events: int
    opened_at: float
    due_at: float
    begun_at: float | None = None
    reason: str = ""
    """Why its run was refused."""
