"""What goes wrong with one run stays with it, and an orchestrator that fails gives its runs to others."""

from __future__ import annotations

import asyncio

from holdfast import Holdfast, wait_for_signal, workflow
from holdfast.history import TimerFired
from holdfast.orchestrator import mailbox
from holdfast.orchestrator.writer import Writer
from tests.unit.worker.rig import on_loop, pause


@workflow
async def waiting() -> str:
    """Wait for a word."""
    await wait_for_signal("go")
    return "went"


async def status_of(handle, status):
    """Wait until a run has this status, and return its record."""
    async with asyncio.timeout(20):
        while (record := await handle.describe()).status != status:
            await pause()
    return record


@on_loop
async def test_a_run_that_cannot_go_on_takes_nobody_with_it(tmp_path, monkeypatch):
    """An event that fits nothing parks its run, with the reason; others of the same commit go on."""
    decide = mailbox.decide_entry

    def poisoned(row, execution):
        return TimerFired(row.received_at, -1, "sleep#99") if row.name == "poison" else decide(row, execution)

    monkeypatch.setattr(mailbox, "decide_entry", poisoned)
    async with Holdfast(definitions=[waiting], store=f"sqlite:///{tmp_path}/a.db") as app:
        bad, good = [await app.client.start(waiting, id=each) for each in ("bad", "good")]
        await asyncio.gather(bad.signal("poison"), good.signal("go"))
        assert await good.result(timeout=20) == "went"
        parked = (await status_of(bad, "PARKED")).parked
        assert parked.startswith("UNREADABLE [HF302]")
        assert "sleep#99" in parked
        assert await (await app.client.start(waiting, id="later")).signal("go") is None


@on_loop
async def test_an_orchestrator_that_fails_begins_again(tmp_path, monkeypatch):
    """A mistake of ours in the writer does not leave a process that holds runs and moves none."""
    append, failures = Writer._append, [AssertionError("planted")]

    def fail_once(self, live, now, lives):
        if live.run_id == "a" and failures:
            raise failures.pop()
        return append(self, live, now, lives)

    monkeypatch.setattr(Writer, "_append", fail_once)
    # The lease that a member is born with outlasts the start of what renews it; nobody has to wait for that here.
    monkeypatch.setattr("holdfast.app.member.SIDECAR_START_SECONDS", 3.0)
    store = f"sqlite:///{tmp_path}/a.db"
    async with Holdfast(definitions=[waiting], store=store, lease_seconds=1.0, log_level="CRITICAL") as app:
        handle = await app.client.start(waiting, id="a")
        await handle.signal("go")
        assert await handle.result(timeout=30) == "went"
        assert failures == []
