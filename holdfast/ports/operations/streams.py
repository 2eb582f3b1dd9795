"""What steps say while they are at it, outside of histories.

Owns: opening a stream, saying something, how it is read.
Must not know: models, who reads.

A place in a stream is a number of characters from its beginning, in one *epoch*: an attempt that says everything anew
begins the next one.
"""

from __future__ import annotations

from typing import Final

from holdfast.ports.operations.base import Value

WHOLE: Final = "whole"
"""A stream that ended with its text."""
BROKEN: Final = "broken"
"""One that ended before: its attempt failed."""
CUT: Final = "cut"
"""One of which no more is kept, because it is too long."""


class OpenStream(Value, frozen=True):
    """Begin to say something, anew. Result: the epoch; 0 where the run has too many streams already."""

    execution: str
    """As it is called: `ord-1`, `ord-1@2`."""
    name: str
    """The step, and which of its streams."""
    run_id: str


class Say(Value, frozen=True):
    """Say something. Result: whether more is wanted, as it is of the newest epoch. Said twice, it counts once."""

    execution: str
    name: str
    epoch: int
    start: int
    """How many characters were said before."""
    characters: int
    body: bytes
    """Text in UTF-8; empty where there is only an end to tell."""
    ended: str = ""
    """How it ended; empty while more may come."""


class Said(Value, frozen=True):
    """What comes behind a place of a stream."""

    epoch: int
    """The newest one. Where the place was in another, this begins at the beginning."""
    characters: int
    """How much was said in all."""
    ended: str
    pieces: tuple[tuple[int, bytes], ...]
    """(place, text) in order; the first may begin before the place that was asked for. Not all, where it is much."""


class StreamRecord(Value, frozen=True):
    """A stream of a run."""

    execution: str
    name: str
    epoch: int
    characters: int
    ended: str
    opened_at: float
