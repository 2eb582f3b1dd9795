"""A store goes on in another database with everything it had, and in one place only."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from holdfast import Holdfast, lock, signal, task, workflow
from holdfast.errors import SchemaError, StoreCorruptError, StoreError
from holdfast.ports.operations import AuditFilter, Join, RunFilter
from holdfast.ports.store import Store
from holdfast.stores import (
    PostgresStore,
    Reading,
    SQLiteStore,
    SystemClock,
    export_store,
    import_store,
    migrate,
    take_back,
)
from holdfast.stores.moving import TRAVELLING
from tests.unit.worker.rig import on_loop, wait_for

TOLD: list[tuple[str, int]] = []


def told(table: str, rows: int) -> None:
    """Note what a move says of itself."""
    TOLD.append((table, rows))


@task
async def fetch(number: int) -> str:
    """Return something that is too long for a page."""
    return str(number) * 8_000


@task(pool="nobody")
async def wanted(number: int) -> int:
    """Wait in the queue of a pool that nobody serves."""
    return number


@workflow
class Order:
    """Fetch, hold a lock, wait for a word and for a task that nobody does."""

    def __init__(self) -> None:
        self.words: list[str] = []

    async def run(self, number: int) -> int:
        """Never end here."""
        await fetch(number)
        if number == 0:
            return 0
        async with lock("till"):
            await asyncio.sleep(1_000_000)
        return await wanted(number)

    @signal
    def say(self, word: str) -> None:
        """Note a word."""
        self.words.append(word)


@workflow
async def queueing(number: int) -> int:
    """Wait for a task that nobody does."""
    return await wanted(number)


@pytest.fixture(autouse=True)
def _nothing_told() -> None:
    TOLD.clear()


async def busy_store(path: Path) -> None:
    """Make a store with runs that have ended, wait, hold a lock, and queue."""
    async with Holdfast(definitions=[Order, queueing, fetch, wanted], store=f"sqlite:///{path}") as app:
        first = await app.client.start(Order, 0, id="ended", attributes={"region": "eu"}, memo={"who": "me"})
        assert await first.result() == 0
        for number in (1, 2):
            handle = await app.client.start(Order, number, id=f"open-{number}")
            await handle.signal(Order.say, "word")
        await app.client.start(queueing, 3, id="queueing")
        async with opened(SQLiteStore(path, clock=SystemClock(), read_only=True)) as store:

            async def stands() -> bool | None:
                pools = {each.pool for each in await store.pools()}
                return True if len(await store.locks()) == 2 and "nobody" in pools else None

            await wait_for(stands)


@asynccontextmanager
async def opened(store: Any) -> AsyncIterator[Store]:
    """Open a store for the length of a block."""
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def everything(store: Store) -> dict[str, Any]:
    """Return what can be read of a store, but for what is different for good reasons."""
    records, _ = await store.runs(where=RunFilter(), limit=100)
    pools = [msgspec.structs.replace(each, oldest_seconds=0.0) for each in await store.pools()]
    found: dict[str, Any] = {"records": records, "locks": await store.locks(), "pools": pools}
    for each in records:
        pages = await store.pages(each.execution_id)
        found[each.execution] = (
            pages,
            await store.queue(each.execution_id),
            await store.execution_inbox(each.execution_id),
        )
    found["schedules"], found["keys"] = await store.schedules(), await store.keys()
    found["audit"] = await store.audit(AuditFilter())
    return found


async def exported(path: Path) -> bytes:
    """Export a store; return the stream."""
    out = io.BytesIO()
    rows = await export_store(path, out, time.time(), told)
    assert rows == sum(count for _, count in TOLD)
    return out.getvalue()


@on_loop
async def test_everything_goes_on_elsewhere(tmp_path: Path, postgres_dsn: str) -> None:
    """Runs, histories, payloads, mail, locks, queues; new numbers come after all that were given out."""
    path = tmp_path / "store.db"
    await busy_store(path)
    async with opened(SQLiteStore(path, clock=SystemClock())) as old:
        before = await everything(old)
        (last,) = await old.write([Join("last", "stack", "here", 1, 0.0)])
    assert before["locks"]
    stream = await exported(path)
    await migrate(postgres_dsn)
    assert await import_store(postgres_dsn, Reading(io.BytesIO(stream)), told) > 0
    async with opened(PostgresStore(postgres_dsn)) as new:
        assert await everything(new) == before
        (joined,) = await new.write([Join("m", "stack", "here", 1, 10.0)])
        assert joined.member > last.epoch
    assert {table for table, _ in TOLD} == set(TRAVELLING)


@on_loop
async def test_a_store_that_was_exported_is_closed(tmp_path: Path) -> None:
    """Its runs may not go on in two places; who exported it may do so again, and may take it back."""
    path = tmp_path / "store.db"
    await busy_store(path)
    first = await exported(path)
    with pytest.raises(StoreError, match="was exported on"):
        await SQLiteStore(path, clock=SystemClock()).open()
    TOLD.clear()
    assert len(await exported(path)) == len(first)
    await take_back(path)
    async with opened(SQLiteStore(path, clock=SystemClock())) as store:
        assert await store.run("open-1") is not None


@on_loop
async def test_a_store_that_is_worked_on_is_not_exported(tmp_path: Path) -> None:
    """Nothing is changed; whoever works on it goes on."""
    path = tmp_path / "store.db"
    async with Holdfast(definitions=[Order, fetch], store=f"sqlite:///{path}") as app:
        with pytest.raises(StoreError, match="is being worked on by"):
            await export_store(path, io.BytesIO(), time.time(), told)
        assert await (await app.client.start(Order, 0, id="ended")).result() == 0
    with pytest.raises(StoreError, match="no store at"):
        await export_store(tmp_path / "other.db", io.BytesIO(), time.time(), told)


@on_loop
async def test_a_stream_that_was_cut_off_leaves_nothing(tmp_path: Path, postgres_dsn: str) -> None:
    """The end of the stream is where it becomes true."""
    path = tmp_path / "store.db"
    await busy_store(path)
    stream = await exported(path)
    await migrate(postgres_dsn)
    with pytest.raises(StoreCorruptError):
        await import_store(postgres_dsn, Reading(io.BytesIO(stream[:-1])), told)
    async with opened(PostgresStore(postgres_dsn)) as store:
        assert await store.runs() == ([], None)
    await import_store(postgres_dsn, Reading(io.BytesIO(stream)), told)
    with pytest.raises(StoreError, match="is not empty"):
        await import_store(postgres_dsn, Reading(io.BytesIO(stream)), told)


@on_loop
async def test_a_schema_has_to_be_made_first(tmp_path: Path, postgres_dsn: str) -> None:
    """The command that makes it is named."""
    path = tmp_path / "store.db"
    await busy_store(path)
    stream = await exported(path)
    with pytest.raises(SchemaError, match="holdfast migrate"):
        await import_store(postgres_dsn, Reading(io.BytesIO(stream)), told)
