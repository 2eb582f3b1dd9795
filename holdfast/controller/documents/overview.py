"""How everything is, at a glance.

Owns: the numbers of the first page.
Must not know: how they are counted.
"""

from __future__ import annotations

from holdfast.controller.documents.base import Document


class Overview(Document, frozen=True):
    """How many runs there are, and how much waits."""

    runs: dict[str, int]
    """Status to number of runs."""
    ready: int
    """Runs that could go on, and that no orchestrator has."""
    backlog: int
    """Tasks that nobody has claimed."""
    in_flight: int
    """Tasks that somebody works on."""
    oldest_seconds: float
    """How long the first of what waits has waited."""
    refused: int
    """Writes that were refused because their author had lost its lease."""
    members: int
    """Processes that are alive."""
    since: str
    """When what is told of the past begins."""


class Stretch(Document, frozen=True):
    """What was done in a stretch of time."""

    start: str
    seconds: int
    begun: int
    """Runs that were made."""
    ended: int
    """Runs that ended, in whatever way."""
    failed: int
    """Those of them that failed or timed out."""
