"""What calls to outside systems find in this process: what the fleet knows of hosts, and where calls may go.

Owns: giving tasks the board of their own stack; in a child process, one through its own connection to the store.
Must not know: calls, what is on a board.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from holdfast.http import FleetBoard, Outbound, serve_outbound
from holdfast.ports.reach import Reach

if TYPE_CHECKING:
    from holdfast.app.settings import Settings
    from holdfast.ports.bus import Bus
    from holdfast.ports.clock import Clock
    from holdfast.ports.store import Store

CHILD: Final = "holdfast.app.outbound:serve_child"
"""What a child process that runs tasks calls before it runs any."""


def serve_stack(settings: Settings, store: Store, bus: Bus, clock: Clock) -> Callable[[], Awaitable[None]]:
    """Have the tasks of this process know what the fleet knows; return what ends that. Called on the store's loop."""
    board = FleetBoard(store, bus, clock, asyncio.get_running_loop())
    found = Outbound(board, Reach.allowing(settings.outbound_allow))
    end = serve_outbound(lambda: found)

    async def close() -> None:
        end()
        await board.close()

    return close


def serve_child() -> None:
    """Have the tasks of this child process know what the fleet knows, once one of them calls a host."""
    found: list[Outbound] = []

    def find() -> Outbound:
        if not found:
            # Imported here: most tasks in child processes call nobody, and opening a store takes time.
            from holdfast.app.connection import connect
            from holdfast.app.default_store import default_settings

            settings = default_settings()
            board = connect(settings).outbound_board()
            found.append(Outbound(board, Reach.allowing(settings.outbound_allow)))
        return found[0]

    serve_outbound(find)
