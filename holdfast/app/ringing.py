"""Buses, from what the settings say.

Owns: which bus fits which settings.
Must not know: what is rung for.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from holdfast.app.address import FileAddress
from holdfast.bus import Exchange, LocalBus, NotifyExchange, RedisExchange, RemoteBus
from holdfast.ports.operations import KeepSecret

if TYPE_CHECKING:
    from holdfast.app.settings import Settings
    from holdfast.ports.bus import Bus
    from holdfast.ports.store import Store

AUTO: Final = "auto"
POLLING: Final = "polling"
"""The bus that is none: everybody looks for work on their own."""

IDENTITY_NAME: Final = "bus"
IDENTITY_BYTES: Final = 8


def bus_of(settings: Settings, store: Callable[[], Store]) -> Bus:
    """Return the bus that the settings name, not open yet.

    Args:
        settings: see Settings.
        store: returns the store, which is open by the time when the bus is opened.

    Raises:
        SettingsError: `store` or `bus` is nothing that Holdfast can open.
        MissingExtraError: the extra `redis` is not installed.
    """
    exchange = exchange_of(settings, store)
    if exchange is not None:
        return RemoteBus(exchange)
    address = settings.address()
    return LocalBus(address.path if settings.bus == AUTO and isinstance(address, FileAddress) else None)


def exchange_of(settings: Settings, store: Callable[[], Store]) -> Exchange | None:
    """Return what passes rings on between machines, as the settings name it; None where nothing does. As above."""
    if settings.bus not in {AUTO, POLLING}:
        return RedisExchange(settings.bus, lambda: _identity(store()))
    address = settings.address()
    if settings.bus == POLLING or isinstance(address, FileAddress):
        return None
    from holdfast.stores import connect, parse_address

    place = parse_address(address.text)
    if place.is_pooled:
        return None  # a pooler would take every NOTIFY and pass none on
    return NotifyExchange(partial(connect, place, purpose="bell"), address.name, place.schema)


async def _identity(store: Store) -> str:
    """Return what tells a store from all others that there are: drawn by whoever asks first."""
    (identity,) = await store.write([KeepSecret(IDENTITY_NAME, secrets.token_bytes(IDENTITY_BYTES))])
    return bytes(identity).hex()
