"""Pools are paused, limited and drained, from the command line and over HTTP, while their tasks run."""

from __future__ import annotations

import asyncio
import json

import pytest
from typer.testing import CliRunner

from holdfast import Client, Holdfast, map_tasks, task, workflow
from holdfast.cli import program
from holdfast.client import unserved
from holdfast.ports.operations import AuditFilter, LimitPool, PausePool, PoolRecord, ResumePool
from tests.unit.controller.rig import on_loop
from tests.unit.worker.rig import pause, wait_for, wait_until

seen = {"now": 0, "most": 0}


@task
async def work(number: int) -> int:
    """Do something for a moment, and count who does so at once."""
    seen["now"] += 1
    seen["most"] = max(seen.values())
    await pause()
    seen["now"] -= 1
    return number


@workflow
async def several(count: int) -> int:
    """Do it several times, one by one and as a fan-out."""
    total = sum(await asyncio.gather(*(work(number) for number in range(count))))
    return total + sum(await map_tasks(work, range(count)))


async def waiting(client: Client) -> PoolRecord | None:
    """Return the pool once tasks wait in it."""
    return next((pool for pool in await client.store.pools() if pool.backlog), None)


@on_loop
async def test_a_limit_holds_for_tasks_that_would_run_at_once(tmp_path):
    """Also for those that otherwise start in the process of their workflow, and for items of fan-outs."""
    store = f"sqlite:///{tmp_path / 'store.db'}"
    async with await Client.connect(store) as client:
        await client.store.write([LimitPool("default", 2)])
    async with Holdfast(modules=[__name__], store=store) as app:
        seen["most"] = 0
        handle = await app.client.start(several, 6, id="limited")
        assert await handle.result() == 30
        assert seen["most"] == 2


@on_loop
async def test_a_paused_pool_keeps_its_tasks(tmp_path):
    """Until it is resumed; the run goes on from there, and says meanwhile why it does not move."""
    store = f"sqlite:///{tmp_path / 'store.db'}"
    async with await Client.connect(store) as client, Holdfast(modules=[__name__], store=store) as app:
        await client.store.write([PausePool("default")])
        dispatcher = app._stack._member.orchestrator._dispatcher
        await wait_until(lambda: "default" not in dispatcher._pools)  # it hears of it by the doorbell
        handle = await app.client.start(several, 1, id="paused")
        pool = await wait_for(lambda: waiting(client))
        assert (pool.paused, pool.in_flight) == (True, 0)
        assert "which is paused" in str(await handle.explain())
        await client.store.write([ResumePool("default")])
        assert await handle.result() == 0


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Return how to type a command, where there is a store."""
    monkeypatch.chdir(tmp_path)

    async def make() -> None:
        async with await Client.connect(f"sqlite:///{tmp_path / 'store.db'}"):
            pass

    asyncio.run(make())

    def type_in(*words: str, code: int = 0) -> dict:
        result = CliRunner().invoke(program, [*words, "--json", "--store", f"sqlite:///{tmp_path / 'store.db'}"])
        assert result.exit_code == code, result.output
        return json.loads(result.output.splitlines()[-1]) if not code else {}

    return type_in


def test_limits_are_set_from_a_shell(call):
    """A limit or a rate has another figure from now on, with who set it, until that is lifted."""
    assert call("limits", "set", "crm", "10") == {"kind": "concurrency", "name": "crm", "limit": 10.0}
    assert call("limits", "set", "tokens", "2.5", "--rate")["limit"] == 2.5
    listed = {each["name"]: (each["limit"], each["set_by"] is not None) for each in call("limits", "list")["items"]}
    assert listed == {"crm": (10.0, True), "tokens": (2.5, True)}
    for wrong in (("crm", "0"), ("crm", "2.5"), ("crm", "many"), ("tokens", "-1", "--rate")):
        call("limits", "set", *wrong, code=2)
    call("limits", "set", "crm", "none")
    call("limits", "set", "tokens", "none", "--rate")
    assert call("limits", "list")["items"] == []


def test_pools_are_operated_from_a_shell(call, tmp_path):
    """Each verb answers with the pool as it is then, and is noted under the name of whoever typed it."""
    assert call("pools", "pause", "gpu", "--reason", "too hot")["paused"] is True
    assert call("pools", "limit", "gpu", "8")["limit"] == 8
    assert call("pools", "resume", "gpu") == {
        "pool": "gpu",
        "backlog": 0,
        "oldest_seconds": 0.0,
        "in_flight": 0,
        "slots": 0,
        "limit": 8,
        "paused": False,
    }
    assert call("pools", "drain", "gpu")["paused"] is True
    call("pools", "limit", "gpu", "0", code=2)
    assert call("pools", "limit", "gpu", "none")["limit"] is None

    async def acts() -> list[tuple[str, str, str]]:
        async with await Client.connect(f"sqlite:///{tmp_path / 'store.db'}") as client:
            entries, _ = await client.store.audit(AuditFilter())
            return [(each.action, each.target, each.detail) for each in reversed(entries)]

    assert asyncio.run(acts()) == [
        ("pause-pool", "gpu", "too hot"),
        ("limit-pool", "gpu", "8"),
        ("resume-pool", "gpu", ""),
        ("pause-pool", "gpu", "drain"),
        ("limit-pool", "gpu", ""),
    ]


def test_a_pool_that_nobody_serves_is_warned_of():
    """While tasks wait in it, and only then."""
    assert "holdfast worker MODULE --pool gpu=8" in (unserved(PoolRecord("gpu", 3, 0, 9.0, 0)) or "")
    assert unserved(PoolRecord("gpu", 0, 1, 0.0, 0)) is None
    assert unserved(PoolRecord("gpu", 3, 0, 9.0, 4)) is None
