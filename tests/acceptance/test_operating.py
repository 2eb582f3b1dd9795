"""Runs are operated as a person does it: paused, resumed, terminated, cancelled, with and without their code."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from holdfast import Client, Holdfast, signal, task, update, workflow
from holdfast.cli import program
from holdfast.cli.output import Exit
from holdfast.errors import RunCancelledError, RunClosedError, RunStateError, RunTerminatedError
from holdfast.ports.operations import AcquireLease
from tests.backends import store_of
from tests.unit.worker.rig import on_loop, pause

pytestmark = pytest.mark.usefixtures("backend")

WAIT = 20.0


class Gate:
    """Something a test opens, that tasks wait at."""

    entered: asyncio.Event
    opened: asyncio.Event
    passed: list[str]

    @classmethod
    def new(cls) -> None:
        """Close it; nobody has come yet."""
        cls.entered, cls.opened, cls.passed = asyncio.Event(), asyncio.Event(), []


@task
async def pass_gate(name: str) -> str:
    """Wait until the gate opens."""
    Gate.entered.set()
    await Gate.opened.wait()
    Gate.passed.append(name)
    if name == "fails":
        raise TypeError("never tried again")
    return name


@workflow
class Review:
    """Take signals and updates, until it is told to end."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.done = asyncio.Event()

    async def run(self, seconds: float = 3600.0) -> list[str]:
        """Wait for the end, but not longer than `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self.done.wait()
        except TimeoutError:
            self.seen.append("late")
        return self.seen

    @signal
    def note(self, text: str) -> None:
        """Note something."""
        self.seen.append(text)

    @signal
    def finish(self) -> None:
        """End."""
        self.done.set()

    @update
    async def add(self, text: str) -> int:
        """Note something, and say how much that is now."""
        self.seen.append(text)
        return len(self.seen)


@workflow
async def through(name: str) -> str:
    """Go through the gate, then say so by another task."""
    passed = await pass_gate(name)
    return await said(passed)


@task
async def said(name: str) -> str:
    """Say that one came through."""
    return f"{name} came through"


DEFINITIONS = (Review, through, pass_gate, said)


@asynccontextmanager
async def stack(folder: Path, *definitions: Any) -> AsyncIterator[Holdfast]:
    """Give a stack on the folder's store."""
    store = store_of(folder)
    async with Holdfast(store=store, definitions=definitions or DEFINITIONS, tune_gc=False) as app:
        yield app


def call(folder: Path, *arguments: str) -> Any:
    """Run a verb on the folder's store."""
    return CliRunner().invoke(program, [*arguments, "--store", store_of(folder), "--json"])


async def until(condition: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> None:
    """Wait until `condition(*args)` is true; the store has to be asked."""
    async with asyncio.timeout(WAIT):
        while not await condition(*args):
            await pause()


async def is_parked(client: Any) -> bool:
    """Say whether run `r-1` is parked."""
    return await status(client, "r-1") == "PARKED"


async def status(client: Any, run_id: str) -> str:
    """Return a run's status."""
    return str((await client.handle(run_id).describe()).status)


@on_loop
async def test_a_paused_run_keeps_what_it_is_sent(tmp_path: Path) -> None:
    """Signals and updates that came while it was paused are in it once it goes on, in order."""
    async with stack(tmp_path) as app:
        handle = await app.client.start(Review, id="r-1")
        await handle.signal(Review.note, "before")
        await handle.pause("looking at it", by="ada")
        record = await handle.describe()
        assert (record.status, record.paused_by, record.paused_reason) == ("PAUSED", "ada", "looking at it")
        await handle.signal(Review.note, "meanwhile")
        with pytest.raises(RunStateError, match="is PAUSED and cannot be asked for update 'add'"):
            await handle.update(Review.add, "in vain", timeout=0.3)
        asked = asyncio.create_task(handle.update(Review.add, "asked"))
        assert "meanwhile" not in str(await handle.history())
        await handle.resume()
        assert await asked >= 3
        await handle.signal(Review.finish)
        seen = await handle.result(WAIT)
        assert seen[:2] == ["before", "meanwhile"]
        assert "asked" in seen


@on_loop
async def test_a_task_under_way_may_end_while_its_run_is_paused(tmp_path: Path) -> None:
    """It is not run again, its outcome waits for the run, and the task after it does not begin before."""
    Gate.new()
    async with stack(tmp_path) as app:
        handle = await app.client.start(through, "one", id="r-1")
        await asyncio.wait_for(Gate.entered.wait(), WAIT)

        async def queued() -> list[Any]:
            return list(await app.stack.store.queue((await handle.describe()).execution_id))

        await until(queued)  # it is durable as soon as it is slow
        await handle.pause()
        Gate.opened.set()

        async def mail() -> list[str]:
            rows = await app.stack.store.execution_inbox((await handle.describe()).execution_id)
            return [row.kind for row in rows]

        await until(mail)
        assert await mail() == ["outcome"]
        assert await status(app.client, "r-1") == "PAUSED"
        await handle.resume()
        assert await handle.result(WAIT) == "one came through"
    assert Gate.passed == ["one"]


@on_loop
async def test_no_timer_fires_into_a_paused_run(tmp_path: Path) -> None:
    """Its time passes; when it goes on, the timer is due at once."""
    async with stack(tmp_path) as app:
        handle = await app.client.start(Review, 0.2, id="r-1")
        await handle.pause()
        other = await app.client.start(Review, 0.4, id="r-2")
        assert await other.result(WAIT) == ["late"]
        names = [type(each.event).__name__ for each in await handle.history()]
        assert "TimerFired" not in names
        await handle.resume()
        assert await handle.result(WAIT) == ["late"]


@on_loop
async def test_whoever_waits_for_a_run_hears_of_its_end(tmp_path: Path) -> None:
    """Paused under the hands of its owner and then terminated: the end reaches who waits in the same process."""
    async with stack(tmp_path) as app:
        handle = await app.client.start(Review, id="r-1")
        waiting = asyncio.create_task(handle.result())
        await asyncio.sleep(0)
        await handle.pause()
        await handle.terminate("enough")
        with pytest.raises(RunTerminatedError, match="enough"):
            await asyncio.wait_for(waiting, WAIT)
        with pytest.raises(RunClosedError):
            await handle.pause()


@workflow(name="changing")
async def first_version() -> str:
    """Say something, then wait."""
    await said("one")
    await asyncio.sleep(3600)
    return "first"


@workflow(name="changing")
async def second_version() -> str:
    """Do something else, where the first said something."""
    await pass_gate("two")
    return "second"


async def diverge(folder: Path) -> None:
    """Leave run `r-1` parked: its code was changed."""
    async with stack(folder, first_version, said) as app:
        handle = await app.client.start(first_version, id="r-1")

        async def sleeps() -> bool:
            return any(type(each.event).__name__ == "TimerStarted" for each in await handle.history())

        await until(sleeps)
    async with stack(folder, second_version, pass_gate) as app:
        await app.client.handle("r-1").signal("wake")
        await until(is_parked, app.client)


@on_loop
async def test_a_parked_run_is_terminated_without_its_code(tmp_path: Path) -> None:
    """At once, and with nobody there who could run it."""
    await diverge(tmp_path)
    async with await Client.connect(store_of(tmp_path)) as client:
        handle = client.handle("r-1")
        await handle.terminate("given up")
        with pytest.raises(RunTerminatedError, match="given up"):
            await handle.result(WAIT)
        assert type((await handle.history())[-1].event).__name__ == "WorkflowTerminated"


@on_loop
async def test_a_parked_run_is_cancelled_once_its_code_fits(tmp_path: Path) -> None:
    """With code that does not fit it is parked again and says why; with code that fits it ends as cancelled."""
    await diverge(tmp_path)
    async with stack(tmp_path, second_version, pass_gate) as app:
        handle = app.client.handle("r-1")
        await handle.cancel("not needed")
        await until(is_parked, app.client)
        assert "DIVERGED" in (await handle.describe()).parked
    async with stack(tmp_path, first_version, said) as app:
        handle = app.client.handle("r-1")  # tried again by itself: this is other code
        with pytest.raises(RunCancelledError, match="not needed"):
            await handle.result(WAIT)


def test_a_run_that_goes_on_cannot_be_resumed(tmp_path: Path) -> None:
    """The verb says so, with its own exit code, instead of accepting what it does not do."""
    assert call(tmp_path, "start", "W", "--id", "r-1").exit_code == Exit.DONE
    result = call(tmp_path, "runs", "resume", "r-1")
    assert result.exit_code == Exit.REFUSED
    error = json.loads(result.stderr)["error"]
    assert error["code"] == "HF608"
    assert error["message"].startswith("run 'r-1' is RUNNING and cannot be resumed")


def test_a_run_is_paused_from_the_command_line(tmp_path: Path) -> None:
    """A run whose code is nowhere: paused with who and why, resumed, terminated, and then closed to all of it."""
    call(tmp_path, "start", "W", "--id", "r-1")
    paused = json.loads(call(tmp_path, "runs", "pause", "r-1", "--reason", "bad deploy").stdout)
    assert paused["status"] == "PAUSED"
    assert paused["paused"]["reason"] == "bad deploy"
    assert "@" in paused["paused"]["by"]
    shown = json.loads(call(tmp_path, "runs", "show", "r-1").stdout)
    assert shown["paused"] == paused["paused"]
    assert json.loads(call(tmp_path, "runs", "resume", "r-1").stdout)["status"] == "RUNNING"
    assert call(tmp_path, "runs", "terminate", "r-1", "--reason", "over").exit_code == Exit.DONE
    shown = json.loads(call(tmp_path, "runs", "show", "r-1").stdout)
    assert (shown["status"], shown["reason"]) == ("TERMINATED", "over")
    assert call(tmp_path, "runs", "pause", "r-1").exit_code == Exit.REFUSED
    assert call(tmp_path, "runs", "wait", "r-1").exit_code == Exit.FAILED


def test_the_command_line_waits_for_a_run_that_is_there(tmp_path: Path) -> None:
    """`runs wait` prints the result as `start --wait` does, and gives up at its limit."""
    store = store_of(tmp_path)
    with Holdfast(store=store, definitions=DEFINITIONS, tune_gc=False) as app:
        app.submit(said, "one", id="r-1")
        result = call(tmp_path, "runs", "wait", "r-1", "--timeout", "20")
    assert result.exit_code == Exit.DONE
    assert json.loads(result.stdout) == {"run_id": "r-1", "result": "one came through"}
    call(tmp_path, "start", "W", "--id", "r-2")
    assert call(tmp_path, "runs", "wait", "r-2", "--timeout", "0.01").exit_code == Exit.UNAVAILABLE
    assert call(tmp_path, "runs", "wait", "r-3").exit_code == Exit.NOT_FOUND


def test_the_fleet_is_shown_on_the_command_line(tmp_path: Path) -> None:
    """Who works, what waits where, who holds what; a lock is taken from its holder by force."""
    store = store_of(tmp_path)
    with Holdfast(store=store, definitions=DEFINITIONS, pools={"default": 3}, tune_gc=False):
        (worker,) = json.loads(call(tmp_path, "workers").stdout)["items"]
        (pool,) = json.loads(call(tmp_path, "pools").stdout)["items"]
    assert "Review" in worker["workflows"]
    assert (pool["pool"], pool["slots"], pool["backlog"]) == ("default", 3, 0)
    assert call(tmp_path, "locks", "break", "l").exit_code == Exit.NOT_FOUND

    async def hold() -> None:
        async with await Client.connect(store) as client:
            for holder in ("first", "second"):
                await client.store.write([AcquireLease("l", 1, holder, 60.0)])

    asyncio.run(hold())
    assert json.loads(call(tmp_path, "locks", "break", "l").stdout) == {"name": "l", "taken_from": "first"}
    (place,) = json.loads(call(tmp_path, "locks", "list").stdout)["items"]
    assert (place["holder"], place["held"]) == ("second", True)
