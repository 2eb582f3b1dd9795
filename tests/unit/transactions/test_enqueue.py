"""A run is enqueued with the user's transaction or not at all, whatever driver the user has, and moved once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from holdfast import Client, enqueue, workflow
from holdfast.app.beside import count_enqueued, make_tables, place_at
from holdfast.errors import RunConflictError, SettingsError, StoreError, TransactionError
from holdfast.transactions import Mover
from tests.unit.transactions.tellers import KINDS, Teller, settled, teller

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """Run on asyncio."""
    return "asyncio"


@workflow
async def fulfil(order: int, note: str = "") -> int:
    """Do what an order asks for."""
    return order


class Desk:
    """A connection of one driver, and where its database is."""

    def __init__(self, own: Teller, address: str) -> None:
        self.own = own
        self.address = address

    async def begin(self) -> None:
        """Begin a transaction where the driver does not do it by itself."""
        if self.own.kind in {"sqlite3", "asyncpg"}:
            await self.own.within(self.own.connection, "BEGIN")

    async def end(self, word: str) -> None:
        """Commit or roll back."""
        if self.own.kind in {"sqlite3", "asyncpg"}:
            await self.own.within(self.own.connection, word)
        else:
            await settled(getattr(self.own.connection, word.lower())())

    async def enqueue(self, *args: Any, **options: Any) -> str:
        """Call `enqueue`."""
        found: str = await settled(enqueue(self.own.connection, fulfil, *args, **options))
        return found

    async def rows(self) -> list[tuple[Any, ...]]:
        """Return what is committed in the outbox."""
        place = place_at(self.address, setting="a test")
        try:
            return await place.ask("SELECT run_id, input FROM holdfast_outbox ORDER BY number")
        finally:
            await place.close()


@pytest.fixture(params=KINDS)
async def desk(request: pytest.FixtureRequest, postgres_dsn: str, tmp_path: Path) -> AsyncIterator[Desk]:
    """Return a connection of each driver, with the tables made by the command."""
    address = f"sqlite:///{tmp_path / 'own.db'}" if request.param == "sqlite3" else postgres_dsn
    made = await make_tables(address)
    assert [each.rpartition(".")[2] for each in made.tables] == ["holdfast_outcomes", "holdfast_outbox"]
    assert await make_tables(address) == made
    async with teller(request.param, postgres_dsn, tmp_path, prepared=False) as own:
        yield Desk(own, address)


async def test_a_run_begins_with_the_transaction_or_not_at_all(desk: Desk) -> None:
    """Rolled back it is gone; committed it is there; the same id again is the same run, another input is refused."""
    await desk.begin()
    assert await desk.enqueue(1, id="order-1") == "order-1"
    await desk.end("ROLLBACK")
    assert await desk.rows() == []
    await desk.begin()
    assert await desk.enqueue(2, id="order-2") == "order-2"
    assert await desk.enqueue(2, id="order-2") == "order-2"
    with pytest.raises(RunConflictError):
        await desk.enqueue(3, id="order-2")
    unnamed = await desk.enqueue(4)
    await desk.end("COMMIT")
    assert await desk.rows() == [("order-2", '{"order":2}'), (unnamed, '{"order":4}')]


async def test_without_a_transaction_nothing_is_enqueued(desk: Desk) -> None:
    """Where a statement would be committed by itself, the run would not depend on anything."""
    if desk.own.kind not in {"sqlite3", "asyncpg"}:
        await desk.enqueue(1, id="order-1")  # any statement begins a transaction
        await desk.end("ROLLBACK")
    else:
        with pytest.raises(TransactionError, match="no transaction is under way"):
            await desk.enqueue(1, id="order-1")
    assert await desk.rows() == []


async def test_what_is_enqueued_is_moved_once(desk: Desk, tmp_path: Path) -> None:
    """A conflict with a run of the store stays in the outbox with its reason, and does not hold up the others."""
    async with await Client.connect(f"sqlite:///{tmp_path / 'store.db'}") as client:
        await client.start(fulfil, 8, id="order-taken")
        await desk.begin()
        for number, run_id in ((1, "order-1"), (9, "order-taken"), (2, "order-2")):
            await desk.enqueue(number, id=run_id, attributes={"number": number}, memo={"by": "shop"})
        await desk.end("COMMIT")
        place = place_at(desk.address, setting="a test")
        mover = Mover(place, client.engine, lambda: 0.0)
        assert await mover.move() == 2
        assert await mover.move() == 0
        await mover.close()
        records, _ = await client.runs()
        assert sorted((each.run_id, each.attributes) for each in records) == [
            ("order-1", {"number": "1"}),
            ("order-2", {"number": "2"}),
            ("order-taken", {}),
        ]
        assert (await count_enqueued(desk.address)).refused == 1
        await desk.begin()
        with pytest.raises(TransactionError, match="already exists with another input"):
            await desk.enqueue(9, id="order-taken")
        await desk.end("ROLLBACK")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_missing_outbox_is_named(kind: str, postgres_dsn: str, tmp_path: Path) -> None:
    """With the command that makes it."""
    async with teller(kind, postgres_dsn, tmp_path, prepared=False) as own:
        desk = Desk(own, "")
        await desk.begin()
        with pytest.raises(TransactionError, match="holdfast migrate --outcomes") as refusal:
            await desk.enqueue(1, id="order-1")
        assert "holdfast_outbox" in refusal.value.what
        await desk.end("ROLLBACK")


async def test_two_transactions_with_one_id_wait_for_one_another(postgres_dsn: str, tmp_path: Path) -> None:
    """The second goes on when the first has ended: with its own run, if the first was undone."""
    await make_tables(postgres_dsn)
    async with (
        teller("asyncpg", postgres_dsn, tmp_path, prepared=False) as first,
        teller("asyncpg", postgres_dsn, tmp_path, prepared=False) as second,
    ):
        one, two = Desk(first, postgres_dsn), Desk(second, postgres_dsn)
        await one.begin()
        await one.enqueue(1, id="order-1")
        await two.begin()
        waiting = asyncio.create_task(two.enqueue(2, id="order-1"))
        await one.end("ROLLBACK")
        assert await waiting == "order-1"
        await two.end("COMMIT")
        assert await two.rows() == [("order-1", '{"order":2}')]


async def test_what_is_no_database_is_refused_without_its_password(tmp_path: Path) -> None:
    """Also where the address of a library's own form was given, and where there is no file or no table."""
    with pytest.raises(SettingsError) as refusal:
        place_at("postgresql+asyncpg://user:secret@host/shop", setting="outboxes")
    assert "secret" not in refusal.value.message()
    with pytest.raises(StoreError, match="cannot be opened"):
        await count_enqueued(f"sqlite:///{tmp_path / 'nowhere.db'}")
    (tmp_path / "empty.db").touch()
    with pytest.raises(StoreError, match="holdfast migrate --outcomes"):
        await count_enqueued(f"sqlite:///{tmp_path / 'empty.db'}")
