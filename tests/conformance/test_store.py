"""Every store does what `holdfast.testing.conformance` says a store does."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import pytest

from holdfast.ports.store import Store
from holdfast.stores import EncryptedStore, bodies
from holdfast.stores.encryption import AesGcmCodec
from holdfast.stores.sqlite import SQLiteStore
from holdfast.testing.conformance import CHECKS, Check
from tests.conformance.postgres import Ground, PostgresHarness, prepare
from tests.servers.postgres import Postgres


class SQLiteHarness:
    """A store on a file; its objects share a clock that the check sets."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._time = 1_000_000.0
        self._opened: list[SQLiteStore] = []

    def now(self) -> float:
        """Return the time set: the harness is the stores' clock."""
        return self._time

    def advance(self, seconds: float) -> None:
        """Set the clock."""
        self._time += seconds

    async def open(self) -> Store:
        """Open the store once more."""
        store = SQLiteStore(self._path, clock=self, synchronous="NORMAL")
        await store.open()
        self._opened.append(store)
        return store

    async def close(self) -> None:
        """Close all of them."""
        for store in self._opened:
            await store.close()


@pytest.mark.backend("sqlite")
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_sqlite(check: Check, tmp_path: Path) -> None:
    """SQLite keeps the promise that the check names."""

    async def run() -> None:
        harness = SQLiteHarness(tmp_path / "store.db")
        try:
            await check(harness)
        finally:
            await harness.close()

    asyncio.run(run())


class EncryptedHarness(SQLiteHarness):
    """The same, encrypted."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._codec = AesGcmCodec([bytes(32)])

    async def open(self) -> Store:
        """Open the store once more."""
        return cast("Store", EncryptedStore(await super().open(), self._codec))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_encrypted(check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store keeps its promises when it is encrypted."""
    # Pages are sealed by whoever makes them, and these checks make them without a codec.
    monkeypatch.setattr(bodies, "_check_page", lambda _: None)

    async def run() -> None:
        harness = EncryptedHarness(tmp_path / "store.db")
        try:
            await check(harness)
        finally:
            await harness.close()

    asyncio.run(run())


@pytest.fixture(scope="module")
def ground(postgres_server: Postgres) -> Ground:
    """Return a database whose store is emptied before each check."""
    return prepare(postgres_server)


@pytest.mark.backend("postgres")  # a store alone: nothing rings
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_postgres(check: Check, ground: Ground) -> None:
    """PostgreSQL keeps the promise that the check names."""
    ground.clear()

    async def run() -> None:
        harness = PostgresHarness(ground.dsn)
        try:
            await check(harness)
        finally:
            await harness.close()

    asyncio.run(run())


class EncryptedPostgresHarness(PostgresHarness):
    """The same, encrypted."""

    async def open(self) -> Store:
        """Open the store once more."""
        return cast("Store", EncryptedStore(await super().open(), AesGcmCodec([bytes(32)])))


OF_BODIES = tuple(
    check
    for check in CHECKS
    if check.__name__.startswith(("pages_", "payloads_", "messages_", "tasks_", "chunks_", "what_a_fork", "requests_"))
)
"""The wrapper is the same for every store; these look at what it encrypts."""


@pytest.mark.parametrize("check", OF_BODIES, ids=lambda check: check.__name__)
def test_encrypted_postgres(check: Check, ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """So does an encrypted store on PostgreSQL."""
    monkeypatch.setattr(bodies, "_check_page", lambda _: None)
    ground.clear()

    async def run() -> None:
        harness = EncryptedPostgresHarness(ground.dsn)
        try:
            await check(harness)
        finally:
            await harness.close()

    asyncio.run(run())
