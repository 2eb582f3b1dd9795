"""A run that leaves memory, or whose owner leaves, is found by whoever has to go on with it."""

from __future__ import annotations

import asyncio
import itertools

from holdfast import Holdfast, task, workflow
from holdfast.errors import StoreError
from holdfast.stores import SQLiteStore
from tests.crash.test_taken_for_dead import SECONDS_MAX, Gate
from tests.crash.test_zombies import eventually
from tests.unit.worker.rig import on_loop

begun: list[str] = []
released = asyncio.Event()


@task
async def hold(name: str) -> str:
    """Have begun, wait until released."""
    begun.append(name)
    await released.wait()
    return name


@workflow
async def one_step(name: str) -> str:
    """Do one thing."""
    return await hold(name)


@workflow
async def two_steps(name: str) -> str:
    """Do one thing after another."""
    return await hold(await hold(name))


def stack(folder, **options):
    """Return a stack on the store in `folder`."""
    store = f"sqlite:///{folder / 'store.db'}"
    return Holdfast(definitions=[hold, one_step, two_steps, Gate], store=store, poll_seconds=0.1, **options)


@on_loop
async def test_an_update_reaches_a_run_that_is_not_in_memory(tmp_path):
    """A run that sleeps on disk is loaded for it."""
    async with stack(tmp_path, live_runs_max=1) as app:
        handles = [await app.client.start(Gate, id=f"gate-{number}") for number in range(3)]

        async def asleep():
            return [each for each in handles if not (await each.describe()).owner]

        handle, *_ = await eventually(asleep)
        assert await handle.update(Gate.knock, timeout=SECONDS_MAX) == "not open"
        await handle.signal(Gate.open)
        assert await handle.result(timeout=SECONDS_MAX) == "open"


@on_loop
async def test_a_step_that_was_not_recorded_is_done_after_a_restart(tmp_path):
    """A stack that leaves while a first attempt runs leaves nothing waiting for it."""
    begun.clear()
    released.clear()
    async with stack(tmp_path, promote_seconds=60) as app:
        await app.client.start(one_step, "a", id="a")
        assert begun == ["a"]
    async with stack(tmp_path) as app:
        await eventually(lambda: len(begun) == 2)
        released.set()
        assert await app.client.handle("a").result(timeout=SECONDS_MAX) == "a"


@on_loop
async def test_a_page_that_lands_while_its_owner_leaves_is_gone_on_from(tmp_path):
    """An outcome that is written down at the last moment is applied by the next owner."""
    for number in range(4):
        begun.clear()
        released.clear()
        async with stack(tmp_path) as app:
            handle = await app.client.start(two_steps, "a", id=f"late-{number}")
            released.set()
            for _ in range(number):  # leaves at another moment each time
                await asyncio.sleep(0)
        async with stack(tmp_path) as app:
            handle = app.client.handle(f"late-{number}")
            assert await handle.result(timeout=SECONDS_MAX) == "a"
            assert begun[-2:] == ["a", "a"]


@on_loop
async def test_a_run_that_could_not_be_read_is_read_again(tmp_path, monkeypatch):
    """A disk that fails once while a run is loaded does not lose the run, also when nothing else wakes it."""
    released.clear()
    async with stack(tmp_path, promote_seconds=60) as app:
        await app.client.start(one_step, "a", id="a")
    released.set()
    reads = itertools.count()
    pages = SQLiteStore.pages

    async def fail_once(store, execution_id, after=0):
        if after == 0 and next(reads) == 0:  # a whole history; who opens a store looks at the newest page only
            raise StoreError("the disk failed", "Try again.")
        return await pages(store, execution_id, after)

    monkeypatch.setattr(SQLiteStore, "pages", fail_once)
    async with stack(tmp_path) as app:
        assert await app.client.handle("a").result(timeout=SECONDS_MAX) == "a"
        assert next(reads) > 1
