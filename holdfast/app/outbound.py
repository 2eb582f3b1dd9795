"""What calls to outside systems find in this process: how hosts are, where calls may go, and what is written down.

Owns: giving tasks the board and the books of their own stack; in a child process, those of its own connection.
Must not know: calls, what is on a board and in the books.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from holdfast.app.books import StoreBooks
from holdfast.http import FleetBoard, Outbound, outbound
from holdfast.ports.books import books
from holdfast.ports.reach import Reach
from holdfast.ports.results import results

if TYPE_CHECKING:
    from holdfast.app.connection import Connection
    from holdfast.app.settings import Settings
    from holdfast.ports.bus import Bus
    from holdfast.ports.clock import Clock
    from holdfast.ports.results import Results
    from holdfast.ports.store import Store

CHILD: Final = "holdfast.app.outbound:serve_child"
"""What a child process that runs tasks calls before it runs any."""


def serve_stack(settings: Settings, store: Store, bus: Bus, clock: Clock) -> Callable[[], Awaitable[None]]:
    """Have the tasks of this process know what the fleet knows; return what ends that. Called on the store's loop."""
    loop = asyncio.get_running_loop()
    board, kept = FleetBoard(store, bus, clock, loop), StoreBooks(store, loop, clock)
    found = Outbound(board, Reach.allowing(settings.outbound_allow))
    ends = (outbound.serve(lambda: found), books.serve(lambda: kept), results.serve(functools.cache(_results)))

    async def close() -> None:
        for end in ends:
            end()
        await board.close()

    return close


def serve_child() -> None:
    """Have the tasks of this child process know what the fleet knows, once one of them calls somebody."""

    @functools.cache
    def connection() -> Connection:
        # Imported here: most tasks in child processes call nobody, and opening a store takes time.
        from holdfast.app.connection import connect
        from holdfast.app.default_store import default_settings

        return connect(default_settings())

    @functools.cache
    def find() -> Outbound:
        found = connection()
        return Outbound(found.outbound_board(), Reach.allowing(found.settings.outbound_allow))

    outbound.serve(find)
    books.serve(functools.cache(lambda: connection().books()))
    results.serve(functools.cache(_results))


def _results() -> Results:
    from holdfast.http import LearnedResults  # loads what infers schemas: few tasks have contracts

    return LearnedResults()
