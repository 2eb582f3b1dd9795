"""A worker that is frozen loses its work and may not hand it in late; one that only works hard keeps it."""

from __future__ import annotations

import asyncio
import inspect
import os
import time
from contextlib import asynccontextmanager

import pytest

from holdfast import Holdfast
from holdfast.history import TaskCompleted, TaskTimedOut
from holdfast.testing.receiver import Receiver
from tests.crash import fleet
from tests.crash.member import member
from tests.crash.shapes import FOLDER_VARIABLE
from tests.crash.test_processes import is_alive
from tests.pace import stretched
from tests.unit.worker.rig import on_loop

LEASE = 2.0
SLACK = 2.5
"""What may pass beyond the lease, on a machine that has time: a look of the reaper, and a claim."""
SECONDS_MAX = 40.0


class Scene:
    """A store with an orchestrator in this process, and a receiver."""

    def __init__(self, app, folder):
        """Keep what tests need."""
        self.app = app
        self.client = app.client
        self.store = app.stack.store
        self.receiver = Receiver(folder)

    def begun(self, pid=None):
        """Return the keys that tasks of a process, or of all, began to work on."""
        return [each.key for each in self.receiver.requests() if not each.applies and pid in (None, each.pid)]

    async def members(self, pid):
        """Return the records of a process, newest first."""
        return [each for each in await self.store.members() if each.pid == pid]

    async def outcomes(self, run_id):
        """Return the outcomes in a run's history, by step."""
        events = [each.event for each in await self.client.handle(run_id).history()]
        outcomes = [event for event in events if isinstance(event, TaskCompleted)]
        assert len({each.step for each in outcomes}) == len(outcomes), "each step has one outcome"
        return outcomes


@asynccontextmanager
async def scene(folder, monkeypatch):
    """Open a store with an orchestrator, whose tasks wait for workers."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    store = f"sqlite:///{folder / 'store.db'}"
    async with Holdfast([fleet], store, roles=("orchestrator",), lease_seconds=LEASE, poll_seconds=0.2) as app:
        yield Scene(app, folder)


async def eventually(condition, what="it never came true"):
    """Wait until a condition holds."""
    deadline = time.monotonic() + SECONDS_MAX
    while not (value := await found if inspect.isawaitable(found := condition()) else found):
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.01)  # looks again
    return value


@on_loop
async def test_a_frozen_worker_loses_its_work(tmp_path, monkeypatch):
    """Another does it within a lease; what the frozen one hands in late is refused and counted. It serves again."""
    workers = ("worker", "--pool", "p=2")
    async with (
        scene(tmp_path, monkeypatch) as here,
        member(tmp_path, *workers, lease=LEASE) as frozen,
        member(tmp_path, *workers, lease=LEASE) as other,
    ):
        handle = await here.client.start(fleet.crowd, 4, id="crowd")
        await eventually(lambda: len(here.begun(frozen.pid)) == len(here.begun(other.pid)) == 2)
        mine = here.begun(frozen.pid)
        frozen.stop()
        stopped = time.monotonic()
        fleet.word(other.pid).touch()
        result = await handle.result(timeout=SECONDS_MAX)
        moved = time.monotonic() - stopped
        assert result == [other.pid] * 4
        assert moved < LEASE + stretched(SLACK)
        (record,) = await here.members(frozen.pid)
        assert (record.state, record.refused) == ("dead", 0)
        before = (await here.store.totals()).refused_writes
        fleet.word(frozen.pid).touch()
        frozen.go_on()

        async def is_refused():
            return (await here.members(frozen.pid))[-1].refused

        async def is_back():
            return len(await here.members(frozen.pid)) > 1

        await eventually(is_refused, "its late writes were not refused")
        assert (await here.store.totals()).refused_writes > before
        assert await handle.result() == result
        outcomes = await here.outcomes("crowd")
        assert {each.worker.rpartition(":")[2] for each in outcomes} == {str(other.pid)}
        assert set(here.receiver.applied()) == {f"crowd/hold#{number}" for number in range(1, 5)}
        assert {each.key for each in here.receiver.requests() if each.token and each.attempt > 1} == set()
        await eventually(is_back, "it did not become a member again")
        again = await here.client.start(fleet.crowd, 40, id="again")
        assert set(await again.result(timeout=SECONDS_MAX)) == {frozen.pid, other.pid}, f"both serve; {mine} moved"


@pytest.mark.parametrize("plant", ["", "write_as_a_zombie"])
@on_loop
async def test_no_outcome_comes_from_a_zombie(tmp_path, monkeypatch, plant):
    """While another does the work again, the zombie's outcome is not taken; without fences it would be, and be seen."""
    workers = ("worker", "--pool", "p=2")
    async with (
        scene(tmp_path, monkeypatch) as here,
        member(tmp_path, *workers, lease=LEASE, plant=plant) as frozen,
    ):
        handle = await here.client.start(fleet.crowd, 1, id="crowd")
        await eventually(lambda: here.begun(frozen.pid))
        async with member(tmp_path, *workers, lease=LEASE) as other:
            frozen.stop()
            await eventually(lambda: here.begun(other.pid))

            async def is_over():
                (record, *_) = reversed(await here.members(frozen.pid))
                return record.refused or (await here.outcomes("crowd"))

            with frozen.silent_sidecar():  # or it may stop its task before that hands anything in
                fleet.word(frozen.pid).touch()
                frozen.go_on()
                await eventually(is_over)
            fleet.word(other.pid).touch()
            result = await handle.result(timeout=SECONDS_MAX)
            assert (result == [other.pid]) is (plant == ""), "the outcome is the zombie's only without fences"


@on_loop
async def test_hard_work_is_not_taken_away(tmp_path, monkeypatch):
    """A step that computes for three leases is done once, by who began it, and everybody can read where it is."""
    async with (
        scene(tmp_path, monkeypatch) as here,
        member(tmp_path, "worker", "--pool", "p=1", lease=LEASE) as one,
    ):
        handle = await here.client.start(fleet.busy, 3 * LEASE, id="busy")
        await eventually(lambda: here.begun(one.pid))
        async with member(tmp_path, "worker", "--pool", "p=1", lease=LEASE):

            async def says_where():
                return [each.state for each in await here.members(one.pid) if "fleet.py:" in each.state]

            (state,) = await eventually(says_where)
            assert state.startswith("blocked at tests/crash/fleet.py:")
            assert await handle.result(timeout=SECONDS_MAX) == one.pid
            assert here.begun() == ["busy/compute#1"]
            assert [each.state for each in await here.members(one.pid)] != ["dead"]
            assert (await here.store.totals()).refused_writes == 0


@on_loop
async def test_a_hung_task_gives_its_slot_back(tmp_path, monkeypatch):
    """A task that never ends is killed at its time-out, its connection closes, and its only slot is used again."""
    closed = asyncio.Event()

    async def answer(reader, writer):
        await reader.read()
        writer.close()
        closed.set()

    server = await asyncio.start_server(answer, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    async with (
        server,
        scene(tmp_path, monkeypatch) as here,
        member(tmp_path, "worker", "--pool", "p=1", lease=LEASE) as one,
    ):
        assert await (await here.client.start(fleet.hanging, port, id="h")).result(timeout=SECONDS_MAX) == one.pid
        asked = {each.key: each for each in here.receiver.requests()}
        hung, after = asked["h/hang#1"], asked["h/touch#1"]
        assert hung.pid not in (one.pid, os.getpid())
        assert not is_alive(hung.pid)
        await asyncio.wait_for(closed.wait(), SECONDS_MAX)
        events = [each.event for each in await here.client.handle("h").history()]
        (ended,) = [event.attempts[-1].ended for event in events if isinstance(event, TaskTimedOut)]
        waited = after.at + time.time() - time.monotonic() - ended
        assert 0 < waited < stretched(2.0), "seconds from the time-out"


@on_loop
async def test_a_member_frozen_in_a_commit_stops_all_and_nothing_is_lost(tmp_path, monkeypatch):
    """Nobody writes while it is frozen, beyond its lease; when it goes on all do, and nothing happens twice."""
    workers = ("worker", "--pool", "p=2")
    async with (
        scene(tmp_path, monkeypatch) as here,
        member(tmp_path, *workers, lease=LEASE, faults="commit-operated:30=stop") as frozen,
        member(tmp_path, *workers, lease=LEASE) as other,
    ):
        for each in (frozen, other):
            fleet.word(each.pid).touch()
        handles = [await here.client.start(fleet.crowd, 8, id=f"crowd-{number}") for number in range(20)]
        await eventually(lambda: state(frozen.pid) == "T")
        began = time.monotonic()
        await eventually(lambda: time.monotonic() > began + 2 * LEASE)
        assert state(frozen.pid) == "T"
        frozen.go_on()
        for handle in handles:
            result = await handle.result(timeout=SECONDS_MAX)
            assert set(result) <= {frozen.pid, other.pid}
        assert len(here.receiver.applied()) == 160


def state(pid):
    """Return the state of a process, as /proc says it."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:  # noqa: PTH123
        return file.read().rpartition(")")[2].split()[0]
