"""A body runs once, whatever driver the user has."""

from __future__ import annotations

import contextlib
import sqlite3  # noqa: TID251 - what users have
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.errors import EncodeError, TransactionError
from holdfast.transactions import transaction
from tests.unit.transactions.tellers import KINDS, Teller, teller

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """Run on asyncio."""
    return "asyncio"


@pytest.fixture(params=KINDS)
async def desk(request: pytest.FixtureRequest, postgres_dsn: str, tmp_path: Path) -> AsyncIterator[Teller]:
    """Return a connection of each driver, with both tables made."""
    async with teller(request.param, postgres_dsn, tmp_path) as found:
        yield found


async def test_a_body_runs_once_for_a_key(desk: Teller) -> None:
    """The second time its result is read, and what it did is there once."""
    assert await desk.transact(desk.inserting(1, then=lambda: {"paid": 7}), "order-1") == {"paid": 7}
    assert await desk.transact(desk.inserting(1, then=lambda: {"paid": 8}), "order-1") == {"paid": 7}
    assert await desk.transact(desk.inserting(2), "order-2") is None
    assert await desk.effects() == [1, 2]


async def test_what_a_failed_body_did_is_undone(desk: Teller) -> None:
    """Its exception comes out as it is, nothing is kept, and the next try runs it."""

    def fail() -> None:
        raise ArithmeticError("no funds")

    with pytest.raises(ArithmeticError, match="no funds"):
        await desk.transact(desk.inserting(1, then=fail), "order-1")
    assert await desk.effects() == []
    await desk.transact(desk.inserting(2), "order-1")
    assert await desk.effects() == [2]


async def test_a_result_that_cannot_be_kept_undoes_the_body(desk: Teller) -> None:
    """Else a later attempt would find an effect without its result."""
    with pytest.raises(EncodeError):
        await desk.transact(desk.inserting(1, then=object), "order-1")
    assert await desk.effects() == []


async def test_a_connection_in_a_transaction_is_refused(desk: Teller) -> None:
    """Its end would not be the body's end."""
    refusals: list[TransactionError] = []

    async def nested(connection: Any) -> None:
        with pytest.raises(TransactionError) as refusal:
            await desk.transact(desk.inserting(2), "inner")
        refusals.append(refusal.value)

    def nested_now(connection: Any) -> None:
        run = nested(connection)
        with pytest.raises(StopIteration):
            run.send(None)

    await desk.transact(nested if desk.is_async else nested_now, "outer")
    assert "under way" in refusals[0].what
    assert await desk.effects() == []


@pytest.mark.parametrize("kind", KINDS)
async def test_a_missing_table_is_named(kind: str, postgres_dsn: str, tmp_path: Path) -> None:
    """With the command that makes it; the connection is usable afterwards."""
    async with teller(kind, postgres_dsn, tmp_path, prepared=False) as desk:
        for _ in range(2):
            with pytest.raises(TransactionError, match="holdfast migrate --outcomes"):
                await desk.transact(desk.inserting(1), "order-1")


def test_a_transaction_without_a_name_is_told_where_it_stands() -> None:
    """Outside a task it needs a key, and the error names the line that lacks one."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection, pytest.raises(TransactionError) as caught:
        transaction(connection, lambda _: 1)
    assert "test_drivers.py:" in str(caught.value)
