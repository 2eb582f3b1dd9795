"""What may be spent on a language model.

Owns: `Budget`; what a request may cost at most.
Must not know: where it is kept, what is done when it is used up.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final, get_args

from holdfast.ai.prices import cost_of
from holdfast.ai.usage import Usage
from holdfast.errors import DefinitionError
from holdfast.ports.operations import NANO, Amount, BudgetLimit, Period

if TYPE_CHECKING:
    from holdfast.ai.prices import Sold

BYTES_PER_TOKEN: Final = 2
"""A token stands for more than this, in any language and in code: so a request is not longer than it is taken for."""
OUTPUT_TOKENS: Final = 4_096
"""How long an answer may be where there is a budget and nothing else is said: without an end there is no most."""
NAME_CHARACTERS_MAX: Final = 200
USD_MAX: Final = 1_000_000
TOKENS_MAX: Final = 10**15


@dataclass(frozen=True, slots=True)
class Budget:
    """How much may be spent, in dollars, in tokens, or both; by each run, by all runs of a workflow, or a day (UTC).

    ```python
    llm = LLM("anthropic:claude-sonnet-5-5", budget=Budget(usd="2.50", per="run"))
    ```

    What a request may cost at most is set aside in the store before it is made. When nothing is left, the run is parked
    until somebody grants more: `holdfast ai grant`.
    """

    usd: str | int | float | Decimal | None = None
    tokens: int | None = None
    """Input and output together, whether read from a cache or not."""
    per: Period = "run"
    name: str = "models"
    """LLMs whose budgets have the same name and period spend from one."""

    def __post_init__(self) -> None:
        """Check every field; raises DefinitionError."""
        if self.usd is None and self.tokens is None:
            raise DefinitionError("a Budget needs usd= or tokens=", remedy='Write Budget(usd="2.50", per="run").')
        if self.per not in get_args(Period):
            known = ", ".join(repr(each) for each in get_args(Period))
            raise DefinitionError(f"per of a Budget is {self.per!r}: it has to be one of {known}")
        if self.usd is not None and not 0 < self._dollars() <= USD_MAX:
            raise DefinitionError(f"usd of a Budget is {self.usd!r}: it has to be above 0 and at most {USD_MAX:,}")
        tokens: Any = self.tokens
        if tokens is not None and (type(tokens) is not int or not 0 < tokens <= TOKENS_MAX):
            raise DefinitionError(f"tokens of a Budget is {tokens!r}: it has to be a whole number above 0")
        name: Any = self.name
        if not isinstance(name, str) or not name or len(name) > NAME_CHARACTERS_MAX or not name.isprintable():
            raise DefinitionError(f"name of a Budget has to be text of 1 to {NAME_CHARACTERS_MAX} printable characters")

    @property
    def limit(self) -> BudgetLimit:
        """The same as a store knows it."""
        usd = 0 if self.usd is None else max(1, int(self._dollars() * NANO))
        return BudgetLimit(self.name, self.per, usd, self.tokens or 0)

    def _dollars(self) -> Decimal:
        try:
            found = Decimal(str(self.usd))
        except InvalidOperation:
            found = Decimal(0)
        return found if found.is_finite() else Decimal(0)


def most_of(endpoint: Sold, sent_bytes: int, output_tokens: int, *, kept: bool, priced: bool) -> Amount:
    """Return what a request may cost at most.

    Args:
        endpoint: whom is asked.
        sent_bytes: how long what is sent is.
        output_tokens: how long the answer may be.
        kept: whether the provider is told to keep a part of it, which may cost a premium.
        priced: whether money counts.

    Raises:
        DefinitionError: money counts, and nobody knows what the model costs.
    """
    sent = sent_bytes // BYTES_PER_TOKEN + 1
    tokens = sent + output_tokens
    if not priced:
        return Amount(0, tokens)
    usage = Usage(sent, 0, sent if kept else 0, output_tokens)
    cost = cost_of(usage, endpoint.seller, endpoint.model) if endpoint.seller else None
    if cost is None:
        raise DefinitionError(
            f"Budget(usd=...) of model {endpoint.name!r}: nobody knows what it costs",
            remedy="Limit tokens instead: Budget(tokens=1_000_000).",
        )
    return Amount(max(cost.paid, cost.uncached), tokens)
