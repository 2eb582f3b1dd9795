"""What requests cost, from the prices that providers publish. The one module that knows the price list.

Owns: `Cost`, `Sold`, `cost_of`.
Must not know: requests, how prompts are cached.

Amounts are whole nano-dollars: sums are exact, and the same on every store. The list comes with its package and is
never fetched; what it does not know has no price, which is not the same as a price of nothing.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

import msgspec

from holdfast.errors import MissingExtraError
from holdfast.ports.operations import NANO

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.ai.usage import Usage


class Sold(Protocol):
    """A model as price lists know it."""

    @property
    def name(self) -> str:
        """As it is written down: `provider:model`."""

    @property
    def seller(self) -> str:
        """Whose prices count; empty for a server of one's own."""

    @property
    def model(self) -> str:
        """As its provider calls it."""


class Cost(msgspec.Struct, frozen=True, gc=False):
    """What a request cost, in nano-dollars."""

    paid: int
    uncached: int
    """What it would have cost had no cache been used, neither read nor written."""

    @property
    def saved(self) -> int:
        """What the cache saved, premiums for writing to it taken off; below 0 where it cost more than it saved."""
        return self.uncached - self.paid

    @property
    def usd(self) -> Decimal:
        """What was paid, in dollars."""
        return Decimal(self.paid) / NANO


def cost_of(usage: Usage, provider: str, model: str, at: datetime | None = None) -> Cost | None:
    """Return what a request cost; None where the provider did not say what it used, or the list has no such model.

    Args:
        usage: what was used.
        provider: as the list calls it, such as `anthropic`.
        model: as the provider calls it.
        at: when, for prices that change; now when None.

    Raises:
        MissingExtraError: the extra `ai` is not installed.
    """
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    read, written = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
    paid = _price(usage.input_tokens, read, written, usage.output_tokens, provider, model, at)
    if paid is None:
        return None
    uncached = paid
    if read or written:
        uncached = _price(usage.input_tokens, 0, 0, usage.output_tokens, provider, model, at) or paid
    return Cost(paid, uncached)


def _price(
    input_tokens: int, read: int, written: int, output: int, provider: str, model: str, at: datetime | None
) -> int | None:
    try:
        from genai_prices import Usage as Used
        from genai_prices import calc_price
    except ImportError:
        raise MissingExtraError("Prices of language models", "ai") from None
    used = Used(input_tokens=input_tokens, cache_read_tokens=read, cache_write_tokens=written, output_tokens=output)
    try:
        found = calc_price(used, model, provider_id=provider, genai_request_timestamp=at)
    except LookupError:
        return None
    return int((found.total_price * NANO).to_integral_value())
