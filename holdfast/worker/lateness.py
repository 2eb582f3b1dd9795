"""How long this worker takes from a claim to the start of what it claimed.

Owns: the measure, from one claim to the next.
Must not know: rates, what is claimed.

What an attempt takes of a rate counts from its claim, and the attempt begins within some time from then or not at all.
A worker on a machine that is busy misses that time, gives back what it claimed, claims it again, and misses it again:
the rate is used up and nothing is done. So it tells with each claim how long it takes, and what it takes counts for
longer: the rate is kept all the same, only fewer begin.
"""

from __future__ import annotations

from typing import Final

MARGIN: Final = 2.0
"""The next start may take so many times as long as the last one."""
DECAY: Final = 0.8
"""What a claim keeps of what was measured before it."""
LATENESS_MAX: Final = 5.0
"""No more than so many seconds are asked for."""


class Lateness:
    """How many seconds to ask for."""

    def __init__(self) -> None:
        """Begin with nothing measured."""
        self.seconds = 0.0

    def note(self, seconds: float) -> None:
        """Note that an attempt began so many seconds after its claim."""
        self.seconds = min(max(MARGIN * seconds, DECAY * self.seconds), LATENESS_MAX)
