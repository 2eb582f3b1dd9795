"""A run that was enqueued exists exactly once, whoever is killed on the way, and if its order was committed."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from holdfast.app.beside import make_tables, place_at
from tests.crash.outboxes import Mover, find_problems, move_once, run_child


async def _prepare(address: str) -> None:
    await make_tables(address)
    place = place_at(address, setting="a test")
    await place.ask("CREATE TABLE orders (number INTEGER)")
    await place.close()


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path, postgres_dsn: str) -> str:
    """Return the address of a user's database with both tables and one of orders."""
    address = f"sqlite:///{tmp_path / 'own.db'}"
    if request.param == "postgres":
        address = postgres_dsn
    asyncio.run(_prepare(address))
    return address


def test_every_order_that_was_committed_has_one_run(database: str, tmp_path: Path) -> None:
    """Shops are killed before and after a commit, movers before and after they start runs."""
    store = tmp_path / "store.db"
    assert run_child("shop", database, store, "enqueued:3=kill") == -signal.SIGKILL
    assert run_child("mover", database, store, "before-asking:2=kill") == -signal.SIGKILL  # started, not taken away
    assert run_child("shop", database, store, "committed:2=kill", "--first", "100") == -signal.SIGKILL
    assert run_child("mover", database, store, "asked:1=kill") == -signal.SIGKILL  # read, not started
    assert asyncio.run(move_once(database, store, Mover)) == 4
    assert asyncio.run(find_problems(database, store)) == []


def test_a_mover_that_takes_away_first_is_caught(tmp_path: Path) -> None:
    """The check above sees the bug that is planted here."""
    address, store = f"sqlite:///{tmp_path / 'own.db'}", tmp_path / "store.db"
    asyncio.run(_prepare(address))
    assert run_child("shop", address, store) == 0
    assert run_child("mover", address, store, "asked:2=kill", "--plant", "drop-first") == -signal.SIGKILL
    asyncio.run(move_once(address, store, Mover))
    problems = asyncio.run(find_problems(address, store))
    assert len(problems) == 6
    assert "has no run" in problems[0]
