"""`transaction` in tasks, on a whole stack and on real databases."""

from __future__ import annotations

import asyncio
import sqlite3  # noqa: TID251 - the user's own database
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from holdfast import Holdfast, Retry, TaskError, task, task_info, transaction, workflow
from holdfast.errors import RunFailedError
from holdfast.transactions import CREATE_TABLE
from tests.unit.worker.rig import on_loop, wait_until

BODIES: list[str] = []
"""Bodies that were run, in order."""


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    BODIES.clear()


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    """Return the user's own database."""
    path = tmp_path / "bank.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(CREATE_TABLE)
        connection.execute("CREATE TABLE entries (account TEXT, cents INTEGER)")
    return path


def book(connection: sqlite3.Connection, account: str, cents: int) -> int:
    """Add an entry; return how many there are."""
    BODIES.append(account)
    connection.execute("INSERT INTO entries VALUES (?, ?)", (account, cents))
    return int(connection.execute("SELECT count(*) FROM entries").fetchone()[0])


def strike(connection: sqlite3.Connection, account: str) -> None:
    """Take the entries of an account away."""
    BODIES.append(f"strike {account}")
    connection.execute("DELETE FROM entries WHERE account = ?", (account,))


@task(retry=Retry(attempts=3, initial="0s"))
def transfer(path: str, cents: int) -> list[int]:
    """Book twice; the answer of the first attempts is lost."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        booked = [transaction(connection, book, "from", -cents), transaction(connection, book, "to", cents)]
    if task_info().attempt < 3:
        raise ConnectionError("the answer was lost")
    return booked


@task(retry=Retry(attempts=2, initial="0s"))
def changing(path: str) -> None:
    """Do something else first when tried again."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        if task_info().attempt > 1:
            transaction(connection, strike, "a")
        transaction(connection, book, "a", 1)
    raise ConnectionError("try again")


@workflow
async def pay(path: str, cents: int) -> list[int]:
    """Transfer once."""
    return await transfer(path, cents)


@workflow
async def change(path: str) -> None:
    """Have an attempt find another order of transactions than the first had."""
    await changing(path)


@on_loop
async def test_a_task_that_is_tried_again_has_booked_once(bank: Path, tmp_path: Path) -> None:
    """Its transactions are told apart by their order, and each answers what it answered first."""
    definitions: list[Any] = [pay, transfer]
    async with Holdfast(definitions=definitions, store=f"sqlite:///{tmp_path / 'store.db'}") as app:
        handle = await app.client.start(pay, str(bank), 500, id="p-1")
        assert await handle.result() == [1, 2]
    assert BODIES == ["from", "to"]
    with closing(sqlite3.connect(bank)) as connection:
        assert connection.execute("SELECT * FROM entries").fetchall() == [("from", -500), ("to", 500)]
        steps = [row[0] for row in connection.execute("SELECT step FROM holdfast_outcomes ORDER BY step")]
    assert steps == ["p-1/transfer#1/tx#1", "p-1/transfer#1/tx#2"]


@on_loop
async def test_another_order_of_transactions_is_an_error(bank: Path, tmp_path: Path) -> None:
    """It would take one transaction's result for another's."""
    definitions: list[Any] = [change, changing]
    async with Holdfast(definitions=definitions, store=f"sqlite:///{tmp_path / 'store.db'}") as app:
        handle = await app.client.start(change, str(bank), id="c-1")
        with pytest.raises(RunFailedError) as failed:
            await handle.result()
    assert "ran book when it was first tried, and runs strike now" in str(failed.value)
    assert BODIES == ["a"]


async def count(connection: asyncpg.Connection, number: int) -> int:
    """Add a row and return its number."""
    BODIES.append(str(number))
    await connection.execute("INSERT INTO effects VALUES ($1)", number)
    return number


@on_loop
async def test_a_zombie_waits_and_reads_what_the_living_did(postgres_dsn: str) -> None:
    """It waits at the key while the other is at work, and does not run its body."""
    one, two, watch = [await asyncpg.connect(postgres_dsn) for _ in range(3)]
    try:
        await watch.execute(CREATE_TABLE)
        await watch.execute("CREATE TABLE effects (number INTEGER)")
        go_on = asyncio.Event()

        async def slowly(connection: asyncpg.Connection) -> int:
            await count(connection, 1)
            await go_on.wait()
            return 1

        async def at_once(connection: asyncpg.Connection) -> int:
            return await count(connection, 2)

        at_once.__qualname__ = slowly.__qualname__
        living = asyncio.create_task(transaction(one, slowly, key="k"))
        await wait_until(lambda: bool(BODIES))
        zombie = asyncio.create_task(transaction(two, at_once, key="k"))
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND wait_event_type = 'Lock'"
        while not await watch.fetchval(waiting, two.get_server_pid()):
            pass  # asking is waiting
        go_on.set()
        assert await asyncio.gather(living, zombie) == [1, 1]
        assert BODIES == ["1"]
        assert await watch.fetchval("SELECT count(*) FROM effects") == 1
    finally:
        for each in (one, two, watch):
            await each.close()


SLEEPS = "SELECT query LIKE '%pg_sleep%' AND state = 'active' FROM pg_stat_activity WHERE pid = $1"


@on_loop
async def test_the_second_goes_on_where_the_first_died(postgres_dsn: str) -> None:
    """A connection that is cut takes its key and its effects with it."""
    one, two, watch = [await asyncpg.connect(postgres_dsn) for _ in range(3)]
    try:
        await watch.execute(CREATE_TABLE)
        await watch.execute("CREATE TABLE effects (number INTEGER)")

        async def until_cut(connection: asyncpg.Connection) -> int:
            await count(connection, 1)
            await connection.execute("SELECT pg_sleep(600)")
            return 1

        async def at_once(connection: asyncpg.Connection) -> int:
            return await count(connection, 2)

        dying = asyncio.create_task(transaction(one, until_cut, key="k"))
        await wait_until(lambda: bool(BODIES))
        second = asyncio.create_task(transaction(two, at_once, key="k"))
        # Cut between two statements, the driver would fail over its own state instead.
        while not await watch.fetchval(SLEEPS, one.get_server_pid()):
            pass
        await watch.execute("SELECT pg_terminate_backend($1)", one.get_server_pid())
        with pytest.raises(asyncpg.PostgresError):
            await dying
        assert await second == 2
        assert await watch.fetch("SELECT number FROM effects") == [(2,)]
    finally:
        for each in (one, two, watch):
            await each.close()


@on_loop
async def test_a_cancelled_body_leaves_nothing(postgres_dsn: str) -> None:
    """The connection is usable afterwards, and the next try runs the body."""
    one, watch = [await asyncpg.connect(postgres_dsn) for _ in range(2)]
    try:
        await watch.execute(CREATE_TABLE)
        await watch.execute("CREATE TABLE effects (number INTEGER)")

        async def for_ever(connection: asyncpg.Connection) -> None:
            await count(connection, 1)
            await asyncio.Event().wait()

        running = asyncio.create_task(transaction(one, for_ever, key="k"))
        await wait_until(lambda: bool(BODIES))
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert await transaction(one, count, 2, key="k") == 2
        assert await watch.fetch("SELECT number FROM effects") == [(2,)]
    finally:
        for each in (one, watch):
            await each.close()


@task(retry=Retry(attempts=1))
async def at_the_same_time(dsn: str) -> None:
    """Begin two transactions at once, without keys."""
    one, two = [await asyncpg.connect(dsn) for _ in range(2)]
    try:
        await asyncio.gather(transaction(one, count, 1), transaction(two, count, 2))
    finally:
        for each in (one, two):
            await each.close()


@workflow
async def hurry(dsn: str) -> None:
    """Run that task."""
    await at_the_same_time(dsn)


@on_loop
async def test_transactions_at_the_same_time_need_keys(postgres_dsn: str, tmp_path: Path) -> None:
    """Their order may be another in the next attempt."""
    watch = await asyncpg.connect(postgres_dsn)
    try:
        await watch.execute(CREATE_TABLE)
        await watch.execute("CREATE TABLE effects (number INTEGER)")
        definitions: list[Any] = [hurry, at_the_same_time]
        async with Holdfast(definitions=definitions, store=f"sqlite:///{tmp_path / 'store.db'}") as app:
            handle = await app.client.start(hurry, postgres_dsn, id="h-1")
            with pytest.raises(RunFailedError) as failed:
                await handle.result()
        assert "Give each a key" in str(failed.value)
        assert isinstance(failed.value.__cause__, TaskError | None)
    finally:
        await watch.close()
