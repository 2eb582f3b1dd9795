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
