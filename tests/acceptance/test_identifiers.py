"""Identifiers at their limits, and texts with NUL, are the same on both stores: kept as they are, or refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from holdfast import Client, Holdfast, lock, task, wait_for_signal, workflow
from holdfast.errors import InputError, RunFailedError, RunNotFoundError
from holdfast.history import IDENTIFIER_BYTES_MAX
from holdfast.ports.operations import RunFilter
from holdfast.stores import migrate
from tests.unit.worker.rig import on_loop

LONGEST = "ü" * (IDENTIFIER_BYTES_MAX // 2)
"""As long as an identifier may be, in bytes that a database cannot squeeze to nothing."""


@task
async def echo(text: str) -> str:
    """Return a text."""
    return text


@workflow
async def carry(text: str, key: str) -> str:
    """Carry a text through a task under a key, a lock and a signal."""
    async with lock(key[:250]):
        return await echo.options(key=key)(text) + await wait_for_signal("word", type=str)


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path, postgres_dsn: str) -> str:
    """Return the address of an empty store."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    asyncio.run(migrate(postgres_dsn))
    return postgres_dsn


def test_the_longest_identifiers_fit(store: str) -> None:
    """Run id, key of a step, name of a lock, operation id; and a payload with NUL comes back as it was."""

    async def run() -> str:
        definitions: list[Any] = [carry, echo]
        async with Holdfast(
            store=store, bus="polling", definitions=definitions, tune_gc=False, poll_seconds=0.1
        ) as app:
            handle = await app.client.start(carry, "a\0b", LONGEST, id=LONGEST, memo={"note": "c\0d"})
            await handle.signal("word", "e\0", operation_id=LONGEST)
            found: str = await handle.result()
            return found

    assert asyncio.run(run()) == "a\0be\0"


def test_what_a_store_would_change_is_refused(store: str) -> None:
    """By every door, before anything is written."""

    async def run() -> None:
        async with await Client.connect(store, bus="polling") as client:
            handle = await client.start("W", 1, id="r")
            doors: list[Callable[[str], Awaitable[Any]]] = [
                lambda text: client.start("W", 1, id=text),
                lambda text: client.start(text, 1),
                lambda text: client.start_many("W", [(text, 1)]),
                lambda text: client.start("W", 1, id=text, id_conflict_policy="fail"),
                lambda text: client.signal_with_start("W", 1, id="r", signal=text),
                lambda text: client.fork("r", "start", id=text),
                handle.signal,
                lambda text: handle.signal("s", operation_id=text),
                handle.query,
                lambda text: handle.update("u", operation_id=text),
            ]
            for number, door in enumerate(doors):
                for wrong in ("a\0b", LONGEST + "x", "\ud800"):
                    with pytest.raises(InputError):
                        await door(wrong)
                    assert len((await client.runs())[0]) == 1, f"door {number} let {wrong[:3]!r} in"
            for where in (RunFilter(error="\0"), RunFilter(attributes=(("a", "\0"),)), RunFilter(workflow="\0")):
                with pytest.raises(InputError):
                    await client.runs(where=where)
            with pytest.raises(InputError):
                await handle.pause("why\0not")
            with pytest.raises(InputError):
                await client.start("W", 1, attributes={"region": "e\0u"})
            for verb in ("describe", "cancel"):
                with pytest.raises(RunNotFoundError):
                    await getattr(client.handle("r\0"), verb)()

    asyncio.run(run())


@on_loop
async def test_a_key_that_is_too_long_fails_its_run(tmp_path: Path) -> None:
    """With the reason, where it is written; the run's other work is not harmed."""
    definitions: list[Any] = [carry, echo]
    async with Holdfast(store=f"sqlite:///{tmp_path / 's.db'}", definitions=definitions, tune_gc=False) as app:
        handle = await app.client.start(carry, "a", LONGEST + "x", id="r")
        with pytest.raises(RunFailedError, match="an index holds 1,000"):
            await handle.result()
