"""What agents of Pydantic AI pay for: their requests to models, written in the same books as those of an `LLM`.

Owns: `Payer`; whom an agent asks, as price lists know it; the wait for what others have set aside.
Must not know: how requests become steps, when they are tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from holdfast.ai.budgets import OUTPUT_TOKENS, Budget
from holdfast.ai.endpoints import usage_of
from holdfast.ai.metering import Meter
from holdfast.ai.models import bytes_of
from holdfast.ai.refusals import noted_refusals, seconds_refused
from holdfast.ai.usage import Reading
from holdfast.errors import BudgetBusy, RateLimited
from holdfast.ports.books import asker_here, books_here
from holdfast.ports.operations import FreezeRate

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelResponse
    from pydantic_ai.models import Model

SELLERS: Final = {"google-gla": "google", "google-vertex": "google"}
"""Providers that price lists call otherwise than the library."""
OPENAI: Final = "api.openai.com"
BUSY_SECONDS: Final = 0.25
BUSY_SECONDS_MAX: Final = 10.0
"""How long to wait, at first and at most, until others that are under way have left something of a budget."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The model that an agent asks."""

    name: str
    """`provider:model`."""
    seller: str
    """Whose prices count; empty for a server of one's own."""
    model: str

    @classmethod
    def of(cls, model: Model) -> Asked:
        """Return whom a request to `model` asks."""
        provider = model.system
        host = urlsplit(model.base_url or "").hostname
        is_compatible = provider == "openai" and host not in {None, OPENAI}
        seller = "" if is_compatible else SELLERS.get(provider, provider)
        return cls(f"{provider}:{model.model_name}", seller, model.model_name)


@dataclass(frozen=True, slots=True)
class Payer:
    """Who pays for an agent's requests."""

    budgets: tuple[Budget, ...]
    rate: str | None
    """Name of the rate that is frozen when a provider says to come later."""

    def paid(self, ask: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
        """Return `ask`, which makes a request of an agent, so that it is paid for.

        Raises:
            BudgetUsedUp: nothing is left; whoever is asked is not asked.
            RateLimited: the rate is frozen.
        """

        async def asked(params: Any) -> Any:
            model = Asked.of(params.run_context.model)
            settings = dict(params.model_settings or {})
            said = settings.get("max_tokens")
            output_tokens = said if type(said) is int and said > 0 else OUTPUT_TOKENS
            if self.budgets:
                params = replace(params, model_settings={**settings, "max_tokens": output_tokens})
            keeps = any("cache" in name and value for name, value in settings.items())
            meter = Meter(model, None, self.budgets, output_tokens, lambda _, __: None, keeps=keeps)
            await self._wait_for_rate()
            sent = (params.model_request_parameters,)
            async with _waiting(meter, lambda: bytes_of(params.messages, sent)) as reading:
                with noted_refusals(reading):
                    response: ModelResponse = await self._heard(ask(params))
                compatible = not model.seller
                reading.usage = usage_of(response, counts=not compatible, compatible=compatible)
            return response

        return asked

    async def _wait_for_rate(self) -> None:
        seconds = await self._freeze(0.0)
        if seconds > 0.0:
            raise RateLimited(seconds, self.rate)

    async def _heard(self, answer: Awaitable[Any]) -> Any:
        try:
            return await answer
        except Exception as error:
            seconds = seconds_refused(error)
            if seconds:
                await self._freeze(seconds)
            raise

    async def _freeze(self, seconds: float) -> float:
        """Freeze the rate for so long, at least; return for how long it is."""
        asker, books = asker_here(), books_here()
        if self.rate is None or asker is None or books is None:
            return 0.0
        return await books.freeze(FreezeRate(self.rate, seconds, f"{asker.run_id}/{asker.step}"))


@asynccontextmanager
async def _waiting(meter: Meter, sent_bytes: Callable[[], int]) -> AsyncIterator[Reading]:
    # A task gives its place to others and comes again. A step of an agent is held by its run, and waits where it is:
    # each time it came again would stand in the run's history.
    async with AsyncExitStack() as stack:
        seconds, reading = BUSY_SECONDS, None
        while reading is None:
            try:
                reading = await stack.enter_async_context(meter.request(sent_bytes))
            except BudgetBusy:
                await asyncio.sleep(seconds)
                seconds = min(2 * seconds, BUSY_SECONDS_MAX)
        yield reading
