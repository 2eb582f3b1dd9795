"""What came of a try at telling somebody something.

Owns: that, as a value.
Must not know: how it was tried, what follows from it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a try."""

    heard: bool
    error: str = ""
    final: bool = False
    """Trying again is of no use."""
    retry_after: float = 0.0
    """Seconds that the receiver asked for; 0 for none."""
