"""Gatherings as the API shows them.

Owns: the shape of these documents, and making them from what is stored.
Must not know: HTTP, how gatherings were found.
"""

from __future__ import annotations

from holdfast.controller.documents import Document
from holdfast.controller.times import iso_time
from holdfast.ports.operations import Gathered, GatheringRecord


class GatheredEvent(Document, frozen=True):
    """Where an event is that waits for others."""

    gathering: int
    run_id: str
    """Of the run that begins with it; until then there is no such run."""
    due_at: str
    """When the run begins, as far as is known now."""
    events: int
    """How many have come, this one included."""


class GatheringDocument(Document, frozen=True):
    """Events that wait for one another, or waited."""

    gathering: int
    workflow: str
    key: str
    run_id: str
    state: str
    """`open`, `full`, `begun` or `refused`."""
    events: int
    size: int
    """How many are enough; 0 where only the last one counts."""
    opened_at: str
    due_at: str
    begun_at: str | None = None
    reason: str = ""
    """Why its run was refused."""


class GatheringPage(Document, frozen=True):
    """Gatherings, newest first."""

    gatherings: list[GatheringDocument]
    next: str | None = None
    """`cursor` of the next page."""


def gathered_document(gathered: Gathered) -> GatheredEvent:
    """Return where an event is."""
    return GatheredEvent(gathered.gathering_id, gathered.run_id, iso_time(gathered.due_at), gathered.events)


def gathering_document(record: GatheringRecord) -> GatheringDocument:
    """Return a gathering as it is shown."""
    return GatheringDocument(
        record.gathering_id,
        record.workflow,
        record.key,
        record.run_id,
        record.state,
        record.events,
        record.size,
        iso_time(record.opened_at),
        iso_time(record.due_at),
        None if record.begun_at is None else iso_time(record.begun_at),
        record.reason,
    )
