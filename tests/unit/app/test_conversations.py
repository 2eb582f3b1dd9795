"""A conversation that grows over many calls is stored in what it grows, not in its square."""

from __future__ import annotations

import asyncio
from pathlib import Path

import apsw
import pytest

from holdfast import Holdfast
from holdfast.app import load_settings, make_key, verify_store
from holdfast.history import TaskCompleted, TaskScheduled
from tests.unit.app import talks
from tests.unit.app.talks import Converse, say


def stored_bytes(path: Path) -> int:
    """Return how many bytes of histories and payloads a store holds."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        query = "SELECT (SELECT sum(length(body)) FROM events) + (SELECT sum(length(content)) FROM blobs)"
        size: int = connection.execute(query).get
    finally:
        connection.close()
    return size


@pytest.mark.parametrize("keys", [(), ("env:KEY",)], ids=["plain", "encrypted"])
def test_a_hundred_calls_cost_twice_as_much_as_fifty(
    keys: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes grow with the calls; what is read back, and replayed in another process's place, is what was said."""
    monkeypatch.setenv("KEY", make_key())
    sizes = {}
    for calls in (50, 100):
        path = tmp_path / f"{calls}.db"
        store = f"sqlite:///{path}"

        async def talk(calls: int = calls, store: str = store) -> None:
            async with Holdfast([talks], store, encryption_keys=keys) as app:
                assert await (await app.client.start(Converse, calls, id="talk")).result() == calls + 1

        async def read(calls: int = calls, store: str = store) -> None:
            conversation = [say(n) for n in range(calls + 1)]
            async with Holdfast([talks], store, encryption_keys=keys) as app:
                handle = app.client.handle("talk", Converse)
                assert await handle.query(Converse.said) == conversation
                events = [each.event for each in await handle.history()]
            spoken = [each for each in events if isinstance(each, TaskScheduled)]
            heard = [each for each in events if isinstance(each, TaskCompleted)]
            assert len(spoken) == len(heard) == calls
            assert all(isinstance(each.input, bytes) for each in spoken)
            assert len(heard[-1].result) > calls * 700

        asyncio.run(talk())
        asyncio.run(read())
        report = verify_store(load_settings(store=store, encryption_keys=keys))
        assert (report.problems, report.notes) == ([], [])
        sizes[calls] = stored_bytes(path)
    assert sizes[100] < 2.3 * sizes[50]
    assert sizes[100] < 100 * 12_000  # whole conversations would be 7,500,000


def test_a_lost_link_is_found(tmp_path: Path) -> None:
    """`verify` follows a payload through its links."""
    path = tmp_path / "store.db"

    async def talk() -> None:
        async with Holdfast([talks], f"sqlite:///{path}") as app:
            await (await app.client.start(Converse, 30, id="talk")).result()

    asyncio.run(talk())
    connection = apsw.Connection(str(path))
    connection.execute(
        "DELETE FROM blobs WHERE digest = (SELECT digest FROM blobs WHERE length(content) > 4096 LIMIT 1)"
    )
    connection.close()
    report = verify_store(load_settings(store=f"sqlite:///{path}"))
    assert report.problems
    assert all("is missing" in each for each in report.problems)
