"""What a member claimed without hearing of it is not lost: the member leaves, and begins again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from holdfast import Holdfast, task, workflow
from holdfast.errors import StoreError
from holdfast.ports.operations import ClaimRuns, ClaimTasks, Join, StartRun
from holdfast.stores import SQLiteStore

WAIT_SECONDS = 60.0


@task(concurrency=1)  # with a limit, it goes through the queue
async def queued(number: int) -> int:
    """Be claimed."""
    return number


@workflow
async def claimed(number: int) -> int:
    """Be claimed, and have a task claimed."""
    return await queued(number)


@pytest.mark.parametrize("kind", [ClaimRuns, ClaimTasks, StartRun])
def test_what_was_claimed_and_not_heard_of_is_given_back(
    kind: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer that named it is lost, once; it is done all the same, by a member that joined after that."""
    write = SQLiteStore.write
    seen: list[type] = []

    async def lossy(store: SQLiteStore, operations: Any, membership: Any = None) -> list[Any]:
        results = await write(store, operations, membership)
        seen.extend(type(each) for each in operations if type(each) is Join)
        owned = any(type(each) is kind and result for each, result in zip(operations, results, strict=True))
        if owned and membership is not None and kind not in seen:
            seen.append(kind)
            raise StoreError("planted: carried out, and the answer was lost")
        return results

    address = f"sqlite:///{tmp_path}/store.db"

    async def run() -> None:
        if kind is ClaimRuns:
            async with Holdfast(definitions=[claimed, queued], store=address, roles=()) as outside:
                await outside.client.start(claimed, 7, id="r")
        async with Holdfast(definitions=[claimed, queued], store=address) as app, asyncio.timeout(WAIT_SECONDS):
            try:
                await app.client.start(claimed, 7, id="r")
            except StoreError:
                assert await (await app.client.start(claimed, 7, id="r")).result() == 7
            assert await app.client.handle("r", claimed).result() == 7

    monkeypatch.setattr(SQLiteStore, "write", lossy)
    asyncio.run(run())
    assert seen == [Join, kind, Join]
