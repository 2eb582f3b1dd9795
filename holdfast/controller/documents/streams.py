"""What steps of a run say while they are at it.

Owns: the streams of a run.
Must not know: how one is followed.
"""

from __future__ import annotations

from typing import Literal, cast

from holdfast.controller.documents.base import Document
from holdfast.controller.times import iso_time
from holdfast.ports.operations import StreamRecord


class StreamState(Document, frozen=True):
    """What a step says while it is at it."""

    name: str
    """The step, and behind a slash which of its streams."""
    execution: str
    epoch: int
    """Rises with each attempt that says it anew."""
    characters: int
    ended: Literal["whole", "broken", "cut"] | None
    """null: more may come."""
    began_at: str


class StreamList(Document, frozen=True):
    """What steps of a run say while they are at it, in the order in which they began."""

    streams: list[StreamState]


def stream_document(record: StreamRecord) -> StreamState:
    """Return a stream as a document."""
    return StreamState(
        name=record.name,
        execution=record.execution,
        epoch=record.epoch,
        characters=record.characters,
        ended=cast("Literal['whole', 'broken', 'cut'] | None", record.ended or None),
        began_at=iso_time(record.opened_at),
    )
