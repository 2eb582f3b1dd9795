"""A run that fails while handlers are under way: each undoes what it has begun and answers, and then the run ends."""

from __future__ import annotations

import asyncio

from examples.samples import outside
from holdfast import all_handlers_finished, task, update, workflow


@task
async def wrap(gift: str) -> str:
    """Wrap a gift."""
    return await outside.ask(f"wrapped {gift}")


@task
async def unwrap(gift: str) -> str:
    """Put a gift back."""
    return await outside.ask(f"unwrapped {gift}")


@task
async def pack(order: str) -> str:
    """Pack everything."""
    return await outside.ask(f"packed {order}")


@workflow
class Order:
    """An order, to which gifts can be added until it leaves."""

    def __init__(self) -> None:
        self.left: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.gifts = 0
        self.added = asyncio.Condition()

    async def run(self, order: str) -> str:
        """Pack when there are two gifts; an order for nobody cannot leave."""
        async with self.added:
            await self.added.wait_for(lambda: self.gifts == 2)
        await pack(order)
        self.left.set_result("refused: it has no address" if "nobody" in order else "sent")
        while not all_handlers_finished():  # noqa: ASYNC110 - a sleep here is a timer, and costs nothing
            await asyncio.sleep(0.05)
        if self.left.result() != "sent":
            raise ValueError(self.left.result())
        return order

    @update
    async def add_gift(self, gift: str) -> str:
        """Add a gift; return what became of it when the order has left, or has not."""
        await wrap(gift)
        async with self.added:
            self.gifts += 1
            self.added.notify_all()
        if await self.left != "sent":
            await unwrap(gift)
        return f"{gift} {self.left.result()}"
