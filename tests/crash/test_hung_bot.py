"""A bot that hangs inside a transaction of its own database is killed, and its connection and its locks are free."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
import psycopg
import pytest

from holdfast import Holdfast, Retry, TaskTimeoutError, task, workflow
from tests.servers.postgres import Postgres
from tests.unit.worker.rig import on_loop, wait_for

HANGS = 50
CONNECTIONS_MAX = 10
SLOTS = 8
"""How many hang at a time: below the limit, and together far above it."""


@task(timeout="1s", retry=Retry(attempts=1))
def bot(dsn: str, row: int) -> None:
    """Lock a row, and never end: as a script does that waits for an answer that never comes."""
    with psycopg.connect(dsn) as connection:
        connection.execute("UPDATE accounts SET cents = cents + 1 WHERE id = %s", (row,))
        while True:
            pass


@workflow
async def shift(dsn: str, rows: int) -> int:
    """Send many bots; return how many of them were killed at their time-out."""
    killed = 0
    for ended in await asyncio.gather(*(bot(dsn, row) for row in range(rows)), return_exceptions=True):
        if isinstance(ended, TaskTimeoutError):
            killed += 1
        elif isinstance(ended, BaseException):
            raise ended
    return killed


@pytest.fixture
def bots_dsn(postgres_server: Postgres, postgres_dsn: str) -> Any:
    """Return the address for bots, whose role may connect only a few times at once."""
    database = postgres_dsn.rpartition("/")[2]
    postgres_server.run(f"CREATE ROLE bot LOGIN PASSWORD 'bot' CONNECTION LIMIT {CONNECTIONS_MAX}")
    postgres_server.run("CREATE TABLE accounts (id int PRIMARY KEY, cents int NOT NULL)", database)
    postgres_server.run(f"INSERT INTO accounts SELECT n, 0 FROM generate_series(0, {HANGS}) AS n", database)
    postgres_server.run("GRANT ALL ON accounts TO bot", database)
    yield f"postgresql://bot:bot@127.0.0.1:{postgres_server.port}/{database}"
    postgres_server.run("DROP OWNED BY bot", database)
    postgres_server.run("DROP ROLE bot")


@on_loop
async def test_hung_bots_give_back_connections_and_locks(bots_dsn: str, postgres_dsn: str, tmp_path: Path) -> None:
    """Far more bots hang than may connect at once; each is killed, its backend ends, its row is as it was and free."""
    watch = await asyncpg.connect(postgres_dsn)
    try:
        store = f"sqlite:///{tmp_path / 'store.db'}"
        async with Holdfast(definitions=[shift, bot], store=store, pools={"default": SLOTS}) as app:
            handle = await app.client.start(shift, bots_dsn, HANGS, id="shift")
            assert await handle.result() == HANGS

            async def are_gone() -> bool | None:
                left = await watch.fetchval("SELECT count(*) FROM pg_stat_activity WHERE usename = 'bot'")
                return None if left else True

            await wait_for(are_gone, 5.0)
        async with watch.transaction():
            rows = await watch.fetch("SELECT cents FROM accounts FOR UPDATE NOWAIT")
        assert {row[0] for row in rows} == {0}
    finally:
        await watch.close()
