"""Locks of runs on Temporal: places in the store's lines, which go with the run, however it ends."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from holdfast.errors import RunCancelledError, RunFailedError, RunTerminatedError
from holdfast.ports.operations import AcquireLease, ReleaseLease
from holdfast.temporal.keeper import Owner, holder_of, owner_of
from tests.servers.temporal import Temporal
from tests.temporal.runs import failing, impatient, locking
from tests.temporal.test_runs import on_temporal


@pytest.mark.parametrize("run_id", ["ord-1", "a/b@7", "x#1 [temporal a b 3]"])
def test_a_place_says_whose_it_is(run_id: str) -> None:
    """Whatever the run is called."""
    owner = Owner("namespace", run_id, "0197-run")
    assert owner_of(holder_of(owner, f"{run_id}@2", "lock(bank #1)#12")) == owner
    assert owner_of("host:12#a1b2c3") is None
    assert owner_of("ord-1/fetch#1 on host:12#a1b2c3") is None


def test_a_lock_goes_from_one_to_the_next_in_line(temporal_server: Temporal, tmp_path: Path) -> None:
    """Runs and scripts stand in one line; who ends, is cancelled or terminated, or waits no longer, is out of it."""

    async def body(app: Any) -> None:
        store, client = app.stack.store, app.client

        async def holders(count: int) -> list[str]:
            while len(found := await store.locks()) != count:  # noqa: ASYNC110 - runs elsewhere change it
                await asyncio.sleep(0)
            return [each.holder.partition("/")[0] for each in found]

        first = await client.start(locking, id="lock-first")
        await holders(1)
        script = AcquireLease("bank", 1, "script", 60.0)
        assert await store.write([script]) == [0]
        waiting = []
        for place, name in enumerate(("lock-cancelled", "lock-terminated", "lock-last"), 3):
            waiting.append(await client.start(locking, id=name))
            await holders(place)
        leaving = await client.start(impatient, "bank", id="lock-impatient")
        assert await holders(6) == [
            "lock-first",
            "script",
            "lock-cancelled",
            "lock-terminated",
            "lock-last",
            "lock-impatient",
        ]
        assert await holders(5) == [
            "lock-first",
            "script",
            "lock-cancelled",
            "lock-terminated",
            "lock-last",
        ]  # it waits no longer
        await leaving.signal("leave")
        assert await leaving.result() == "outside"
        cancelled, terminated, last = waiting
        (cause,) = (await client.engine.explain("lock-last")).causes
        assert (cause.kind, cause.step) == ("lock", "lock(bank)#1")
        await cancelled.cancel("not needed")
        with pytest.raises(RunCancelledError):
            await cancelled.result()
        await terminated.terminate("enough")
        with pytest.raises(RunTerminatedError):
            await terminated.result()
        assert await holders(3) == ["lock-first", "script", "lock-last"]
        await first.signal("leave")
        token = await first.result()
        (second,) = await store.write([script])
        assert second > token
        await last.signal("leave")
        await store.write([ReleaseLease("bank", "script")])
        assert await last.result() > second
        assert await holders(0) == []

    on_temporal(temporal_server, tmp_path, body)


def test_a_run_that_fails_gives_back_what_it_holds_before_it_ends(temporal_server: Temporal, tmp_path: Path) -> None:
    """Nobody has to look for it."""

    async def body(app: Any) -> None:
        handle = await app.client.start(failing, "held", id="failing")
        with pytest.raises(RunFailedError, match="False"):
            await handle.result()
        assert await app.stack.store.locks() == []

    on_temporal(temporal_server, tmp_path, body)
