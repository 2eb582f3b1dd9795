"""What is sent as text arrives as what it was, and what is expected of it is checked."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from holdfast.errors import FencedError
from holdfast.history import Page
from holdfast.ports.operations import Append, ClaimTasks, FinishTask, QueueTask
from holdfast.stores import PostgresStore
from holdfast.stores.postgres.pending import TARGETS
from holdfast.stores.postgres.script import SCRIPT_BYTES_MAX, Scripts, Statement, array, types_of
from holdfast.testing.conformance.store.harness import do, join, own, refused
from tests.servers.postgres import Postgres
from tests.unit.stores.postgres.desk import Desk, desk_at

EXPECTED = ("append_page", "begin_tip", "move_tip", "end_tip")
TEXTS = (
    "",
    "plain",
    "it's",
    '"',
    "\\",
    "\\'",
    "''; DROP TABLE tips; --",
    "{a,b}",
    "NULL",
    " ",
    "\n\t",
    "ä€😀",
    "$1",
    None,
)
VALUES = {
    "text": TEXTS,
    "bytea": (b"", b"\x00\xff'\"\\", bytes(range(256)), None),
    "bigint": (0, -1, 2**63 - 1, -(2**63), True, None),
    "smallint": (0, 1, False, None),
    "double precision": (0.0, -1.5, 1e300, 5e-324, 0.1 + 0.2, float("inf"), 3, None),
}


@pytest.fixture(scope="module")
def desk(postgres_server: Postgres) -> Iterator[Desk]:
    """Return an empty database with the schema."""
    dsn = postgres_server.create_database()
    with desk_at(dsn) as desk:
        yield desk
    postgres_server.drop_database(dsn)


@pytest.mark.parametrize("type_", VALUES)
def test_values_arrive_as_they_are(desk: Desk, type_: str) -> None:
    """Whatever stands in them is a value, and never a part of the statement."""
    dice = random.Random(type_)
    for column in ([], list(VALUES[type_]), *(dice.choices(VALUES[type_], k=4) for _ in range(20))):
        ((found,),) = desk.fetch(f"SELECT {array(type_, column)}::{type_}[]")
        assert found == column


def test_the_types_of_all_that_may_be_put_off_are_known(desk: Desk) -> None:
    """They are those that the server is told in the statement itself."""
    short = {"int8": "bigint", "int2": "smallint", "float8": "double precision"}
    for name in (*TARGETS, *EXPECTED, "lock_executions"):
        wanted = [each.name.removesuffix("[]") for each in desk.prepare(name).parameters]
        assert list(types_of(desk.sql[name])) == [short.get(each, each) for each in wanted], name


def test_much_does_not_go_as_text(desk: Desk) -> None:
    """It goes as ever, before the end of the transaction."""
    scripts = Scripts(desk.connection, desk.sql)  # type: ignore[arg-type]  # it is one of asyncpg's
    body = b"\x00" * SCRIPT_BYTES_MAX
    page = (1, 0, 1, 1, 1, 0, body, body)
    assert scripts.write([Statement("append_page", [page], is_expected=True)]) is None


@pytest.mark.parametrize("body", [b"small", b"\x00" * SCRIPT_BYTES_MAX], ids=["as text", "as ever"])
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


@pytest.mark.parametrize("size", [1, SCRIPT_BYTES_MAX], ids=["as text", "as ever"])
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
