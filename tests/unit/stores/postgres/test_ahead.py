"""What is sent ahead arrives as what it was, in its order, and what is expected of it is checked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from holdfast.errors import FencedError
from holdfast.history import Page
from holdfast.ports.operations import Append, ClaimTasks, FinishTask, QueueTask
from holdfast.stores import PostgresStore
from holdfast.stores.postgres.address import parse_address
from holdfast.stores.postgres.ahead import Ahead, Statement, encode_texts, types_of
from holdfast.stores.postgres.bridge import across, wait
from holdfast.stores.postgres.connection import connect
from holdfast.stores.postgres.pending import TARGETS
from holdfast.testing.conformance.store.harness import do, join, own, refused
from tests.servers.postgres import Postgres
from tests.unit.stores.postgres.desk import Desk, desk_at

EXPECTED = ("append_page", "begin_tip", "move_tip", "end_tip")
BODY = b"\x00" * 100_000


@pytest.fixture(scope="module")
def desk(postgres_server: Postgres) -> Iterator[Desk]:
    """Return an empty database with the schema."""
    dsn = postgres_server.create_database()
    with desk_at(dsn) as desk:
        yield desk
    postgres_server.drop_database(dsn)


def test_the_types_of_all_that_may_be_put_off_are_known(desk: Desk) -> None:
    """They are those that the server is told in the statement itself."""
    for name in (*TARGETS, *EXPECTED, "lock_executions"):
        wanted = [each.name.removesuffix("[]") for each in desk.prepare(name).parameters]
        assert [each.name.removeprefix("_") for each in types_of(desk.sql[name])] == wanted, name


def test_what_goes_ahead_comes_before_what_is_asked(dsn: str) -> None:
    """Each sees what the one before did, in one journey; nothing that follows an error is carried out."""

    async def run() -> None:
        connection = await connect(parse_address(dsn))
        sql = {"put": "INSERT INTO noted SELECT * FROM unnest($1::bigint[], $2::text[])", "look": "SELECT $1::bigint[]"}
        ahead = Ahead(connection, sql)

        def put(*rows: tuple[int, str | None], is_expected: bool = False) -> None:
            ahead.send([Statement("put", rows, is_expected=is_expected)])

        def in_order() -> None:
            ahead.begin(encode_texts("BEGIN", "CREATE TEMPORARY TABLE noted (id bigint PRIMARY KEY, said text)"))
            put((1, "it's"), (2, None))
            put((3, "\u00e4\u20ac"), is_expected=True)
            found = wait(connection.fetch("SELECT id, said FROM noted WHERE id < $1 ORDER BY id", 9))
            assert [tuple(row) for row in found] == [(1, "it's"), (2, None), (3, "\u00e4\u20ac")]
            ahead.send([Statement("look", [(1,)])])
            ahead.commit()

        def wrong() -> None:
            ahead.begin(encode_texts("BEGIN"))
            put((1, "twice"))
            put((4, "after it"))
            ahead.commit()

        await across(in_order)
        assert not connection.is_in_transaction()
        with pytest.raises(asyncpg.UniqueViolationError):
            await across(wrong)
        await connection.execute("ROLLBACK")
        assert await connection.fetchval("SELECT count(*) FROM noted") == 3
        await connection.close()

    asyncio.run(run())


@pytest.mark.parametrize("body", [b"small", BODY], ids=["little", "much"])
def test_a_tip_that_moved_elsewhere_is_noticed(dsn: str, body: bytes) -> None:
    """Another hand moved the end of a history: the write finds out, and is carried out again by what is there."""

    async def run() -> None:
        async with _store(dsn) as store, _store(dsn) as other:
            member = await join(store)
            execution, history = await own(store, member, "r")
            await do(store, Append(execution, history.keep(history.page())), member)
            assert await do(other, Append(execution, history.keep(history.page())), member)
            queued = QueueTask("t#1", "t", body, "p", 0, b"")
            assert await do(store, Append(execution, history.keep(history.page()), queue=(queued,)), member)
            (claimed,) = await do(store, ClaimTasks((("p", 1),), ("t",)), member)
            assert claimed.input == body
            assert await do(store, FinishTask(claimed.task_id, claimed.token, b"", execution, "t#1"), member)
            assert await store.pages(execution) == history.pages

    asyncio.run(run())


@pytest.mark.parametrize("size", [1, len(BODY)], ids=["little", "much"])
def test_a_memory_that_is_wrong_undoes_the_write(dsn: str, size: int) -> None:
    """What a store object remembers is not believed: a tip that is elsewhere is not moved, and the page is refused."""

    async def run() -> None:
        async with _store(dsn) as store:
            member = await join(store)
            execution, history = await own(store, member, "r")
            assert store._writer is not None
            held = store._writer._log._members[member.member].last
            last, seq = held[execution]
            held[execution] = (last + 5, seq)
            wrong = Page(last + 6, last + 6, b"\x00" * size, b"\x00" * 32)
            await refused(FencedError, store, Append(execution, wrong), member)
            assert await store.pages(execution) == history.pages
            assert await do(store, Append(execution, history.keep(history.page())), member)

    asyncio.run(run())


@asynccontextmanager
async def _store(dsn: str) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(dsn, read_connections=1)
    try:
        await store.open()
        yield store
    finally:
        await store.close()
