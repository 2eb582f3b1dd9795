"""Where stores and buses are: one noun for both databases, whose name shows no password."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import cast

import pytest

from holdfast.app.address import FileAddress, ServerAddress, address_of
from holdfast.app.default_store import in_place, serve
from holdfast.app.following import Following
from holdfast.app.opening import beat_arguments, open_at
from holdfast.app.ringing import bus_of, exchange_of
from holdfast.app.settings import load_settings
from holdfast.bus import LocalBus, NotifyExchange, RedisExchange, RemoteBus
from holdfast.errors import SettingsError
from holdfast.ports.store import Store
from holdfast.stores import PostgresStore, SQLiteStore, SystemClock

SERVER = "postgresql://ann:s3cret@db.internal:5433/orders"


def test_addresses_are_values() -> None:
    """Equal ones are the same store, whatever kind it is, and may be the key of a table."""
    addresses = [address_of(text) for text in ("sqlite:///a.db", "sqlite:///a.db", "sqlite:///b.db", SERVER, SERVER)]
    assert len(set(addresses)) == 3
    assert addresses[0] == FileAddress(Path("a.db"))
    assert [each.text for each in addresses[2:4]] == ["sqlite:///b.db", SERVER]


def test_a_name_shows_no_password() -> None:
    """What logs and people are shown is without it; what a store is opened by has it."""
    address = address_of(SERVER)
    assert address.name == "postgresql://ann@db.internal:5433/orders"
    assert "s3cret" in address.text


@pytest.mark.parametrize("store", ["sqlite://", "mysql://ann:s3cret@db/orders", "postgresql://ann:s3@cret@x/y?z=1", ""])
def test_what_is_no_address_is_refused(store: str) -> None:
    """The error shows how addresses are written, and no password."""
    with pytest.raises(SettingsError) as caught:
        address_of(store)
    assert "s3" not in str(caught.value)
    assert "postgres" in str(caught.value).lower()


def test_a_relative_path_is_fixed_and_a_server_is_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code that changes its folder means the same store afterwards."""
    monkeypatch.chdir(tmp_path)
    assert in_place(load_settings(store="sqlite:///a.db")).address() == FileAddress(tmp_path / "a.db")
    assert in_place(load_settings(store=SERVER)).address() == ServerAddress(SERVER)


def test_processes_that_are_started_mean_the_same_store_and_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their environment names both while a stack serves, and what was there before comes back."""
    monkeypatch.delenv("HOLDFAST_STORE", raising=False)
    monkeypatch.setenv("HOLDFAST_BUS", "auto")
    end = serve(load_settings(store=SERVER, bus="polling"))
    there = load_settings()
    assert (there.store, there.bus) == (SERVER, "polling")
    end()
    assert load_settings().bus == "auto"


def test_each_address_has_its_store_and_its_beat() -> None:
    """A file is opened as a file, a server as a server; a sidecar learns what it needs."""
    assert isinstance(open_at(address_of("sqlite:///a.db")), SQLiteStore)
    assert isinstance(open_at(address_of(SERVER)), PostgresStore)
    assert beat_arguments(load_settings(store=SERVER)) == {"address": SERVER}
    assert beat_arguments(load_settings(store="sqlite:////a.db")) == {"path": "/a.db", "synchronous": "FULL"}


@pytest.mark.parametrize(
    ("store", "bus", "kind"),
    [
        ("sqlite:///a.db", "auto", None),
        ("sqlite:///a.db", "redis://h/0", RedisExchange),
        (SERVER, "auto", NotifyExchange),
        (SERVER, "polling", None),
        (SERVER, "none", None),
        (SERVER, "rediss://h/0", RedisExchange),
        (SERVER + "?pooler=transaction", "auto", None),
        (SERVER + "?pooler=transaction", "redis://h/0", RedisExchange),
    ],
)
def test_the_bus_fits_the_store(store: str, bus: str, kind: type | None) -> None:
    """The setting decides; auto is what the store has, and nothing where a pooler is in between."""
    settings = load_settings(store=store, bus=bus)
    exchange = exchange_of(settings, _no_store)
    assert type(exchange) is (kind or type(None))
    assert isinstance(bus_of(settings, _no_store), LocalBus if kind is None else RemoteBus)


def _no_store() -> Store:
    raise AssertionError("it is asked for when the bus is opened")


def test_a_clock_follows_the_stores(tmp_path: Path) -> None:
    """A process on a machine whose clock is an hour behind shows the store's time, and later never goes back."""

    class Ahead:
        seconds = 3600.0

        def now(self) -> float:
            return time.time() + self.seconds

    async def test() -> None:
        there = Ahead()
        store = SQLiteStore(tmp_path / "store.db", clock=there)
        await store.open()
        clock = SystemClock()
        clock.now()
        following = Following(clock, cast("Store", store))
        await following.open()
        assert abs(clock.now() - there.now()) < 1.0
        shown = clock.now()
        clock.follow(0.0)
        assert clock.now() >= shown
        await following.close()
        await store.close()

    asyncio.run(test())
