"""What a run draws: random numbers that every replay draws again.

Owns: the run's one generator.
Must not know: who draws, or what for.
"""

from __future__ import annotations

from random import Random  # a seeded generator: no entropy
from typing import Any


class Draws:
    """The randomness of one execution, which follows from its seed."""

    __slots__ = ("_generator", "seed")

    def __init__(self) -> None:
        """Draw nothing yet. The seed comes with the first event."""
        self.seed = 0
        self._generator: Random | None = None

    def generator(self) -> Random:
        """Return the generator, made when it is first asked for."""
        if self._generator is None:
            self._generator = Random(self.seed)  # noqa: S311  # replays have to repeat it
        return self._generator

    def state(self) -> Any:
        """Return where the generator is, to compare; None where nobody has asked for it."""
        return self._generator.getstate() if self._generator is not None else None
