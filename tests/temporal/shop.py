"""What a controller on Temporal serves in the tests: a webhook, and workflows that are talked to.

Owns: the definitions.
Must not know: which engine runs them.
"""

from __future__ import annotations

import asyncio

from holdfast import Hmac, callback, query, signal, update, webhook, workflow

SECRET = "a secret of the tests' own"
SIGNED_BY = Hmac("env:SHOP_SECRET", header="X-Sign", id_header="X-Id")


@webhook("orders", verify=SIGNED_BY, id="order-{body.number}", input="body.number")
@workflow
class Order:
    """Adds up what is paid until it is closed."""

    def __init__(self) -> None:
        self.amounts: list[int] = []
        self.closed = asyncio.Event()

    async def run(self, number: int) -> list[int]:
        """Return the order's number, and what was paid."""
        await self.closed.wait()
        return [number, *self.amounts]

    @signal
    def pay(self, amount: int) -> None:
        """Note an amount."""
        self.amounts.append(amount)

    @query
    def paid(self) -> list[int]:
        """Return what was paid."""
        return self.amounts

    @update
    def close(self) -> int:
        """End the order; return what was paid in all."""
        self.closed.set()
        return sum(self.amounts)


payments = webhook(
    "payments",
    verify=SIGNED_BY,
    start=Order,
    signal=Order.pay,
    id="order-{body.number}",
    input="body.number",
    message="body.amount",
)


@workflow
class Asking:
    """Asks somebody outside."""

    def __init__(self) -> None:
        self.url = ""

    async def run(self) -> str:
        """Return the answer."""
        asked = callback(type=str)
        self.url = asked.url
        return await asked

    @query
    def address(self) -> str:
        """Return where to answer."""
        return self.url
