"""One request to a local model, as it is under way.

Owns: `Loaded`, `Turn`.
Must not know: servers, who asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

HELD_SHARE: Final = 0.9
"""A prefix was held when this much of it was not computed again: text is cut into tokens a little differently where
the prefix ends."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """How a prefix came into a slot."""

    tokens: int
    """How long it is."""
    restored: bool
    """Whether it was read from disk, and not computed."""


@dataclass(slots=True)
class Turn:
    """What a request has to say, and what became of it."""

    slot: int
    prefix: str = ""
    loaded: Loaded | None = None
    """None where the slot held the prefix already, or there is none."""
    cached: int | None = None
    """How many tokens the server said that it did not compute; None until it has said so."""

    @property
    def extra_body(self) -> dict[str, Any]:
        """What the request says beside what is asked."""
        return {"id_slot": self.slot, "cache_prompt": True}

    @property
    def computed(self) -> int:
        """How many tokens of the prefix were computed for this request."""
        return 0 if self.loaded is None or self.loaded.restored else self.loaded.tokens

    def note(self, cached: int) -> tuple[int, int]:
        """Hear how many tokens were not computed with the request; return how many were read and written in all.

        What was computed just before, for this request, is no saving: it was written.
        """
        self.cached = cached
        written = min(self.computed, cached)
        return cached - written, written
