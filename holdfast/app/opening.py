"""Stores, from where they are.

Owns: which store fits an address. Nothing above knows which database it is.
Must not know: what is done with it.

A store is imported when one of its kind is opened: a sidecar loads no more than it needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never, cast

from holdfast.app.address import Address, FileAddress, ServerAddress

if TYPE_CHECKING:
    from typing import Literal

    from holdfast.app.settings import Settings
    from holdfast.ports.bus import Bus
    from holdfast.ports.clock import Clock
    from holdfast.ports.store import Store


def open_at(
    address: Address,
    *,
    clock: Clock | None = None,
    bus: Bus | None = None,
    synchronous: Literal["FULL", "NORMAL"] = "FULL",
    read_only: bool = False,
) -> Store:
    """Return the store at `address`, not open yet.

    Args:
        address: where it is.
        clock: the machine's; a database on a server has its own.
        bus: what is rung after commits.
        synchronous: durability of a file.
        read_only: whether it is only looked at.
    """
    match address:
        case FileAddress():
            from holdfast.stores import SQLiteStore, SystemClock

            file = SQLiteStore(
                address.path, clock=clock or SystemClock(), bus=bus, synchronous=synchronous, read_only=read_only
            )
            return cast("Store", file)
        case ServerAddress():
            from holdfast.stores import PostgresStore

            return cast("Store", PostgresStore(address.text, bus=bus))
        case _:
            assert_never(address)


def beat_arguments(settings: Settings) -> dict[str, Any]:
    """Return what a sidecar has to know of the store. See `holdfast.stores.beat`."""
    address = settings.address()
    match address:
        case FileAddress():
            return {"path": str(address.path.absolute()), "synchronous": settings.synchronous}
        case ServerAddress():
            return {"address": address.text}
        case _:
            assert_never(address)
