"""What one request to a model used, as the provider said it.

Owns: `Usage`: nothing that was not said is counted as nothing; `Reading`, which is filled in with it.
Must not know: prices, providers.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Tokens of a request. None: the provider did not say.

    Input includes what was read from a cache and what was written to one, whatever a provider calls input.
    """

    input_tokens: int | None = None
    cache_read_tokens: int | None = None
    """Part of the input that was not computed again."""
    cache_write_tokens: int | None = None
    """Part of the input that was computed and kept."""
    output_tokens: int | None = None

    @property
    def is_known(self) -> bool:
        """Whether the provider said anything."""
        return self != NOT_SAID

    def __add__(self, other: Usage) -> Usage:
        """Return both together; what only one of them says is what is known."""
        return Usage(
            _sum(self.input_tokens, other.input_tokens),
            _sum(self.cache_read_tokens, other.cache_read_tokens),
            _sum(self.cache_write_tokens, other.cache_write_tokens),
            _sum(self.output_tokens, other.output_tokens),
        )


NOT_SAID = Usage()


@dataclass(slots=True)
class Reading:
    """What became of a request, filled in by whoever makes it."""

    usage: Usage = NOT_SAID
    refused: bool = False
    """Whether the provider refused it, and so is paid nothing."""


def _sum(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else one + other
