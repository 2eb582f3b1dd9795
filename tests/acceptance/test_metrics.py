"""What was done is what was counted: in one process, over restarts, and in processes without the API."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from holdfast import Client, Holdfast, Retry, map_tasks, query, signal, task, workflow
from holdfast.errors import RunFailedError
from holdfast.observe import Publisher
from tests.acceptance.ladder import Script
from tests.unit.worker.rig import on_loop, wait_for

CANARY = "canary-7f3a91"

MODULE = r"""
from holdfast import Retry, task, workflow

@task(retry=Retry(attempts=2, initial=0.01))
async def flaky(token: str) -> str:
    from holdfast import task_info
    if task_info().attempt == 1:
        raise ValueError("no such \\x1b[31mluck\\nwith a line of its own")
    return token

@workflow
async def errand(token: str) -> str:
    return await flaky(token)
"""


@task(retry=Retry(attempts=2, initial=0.01))
async def flaky(number: int) -> int:
    """Fail at the first attempt."""
    from holdfast import task_info

    if task_info().attempt == 1 and number == 0:
        raise ValueError("not yet")
    return number


@task(timeout=0.05, retry=Retry(attempts=1))
async def hang() -> None:
    """Do not end."""
    await asyncio.Event().wait()


@workflow
async def errands(count: int) -> int:
    """Run some tasks, in every way there is."""
    await flaky(0)
    await flaky(1)
    return len(await map_tasks(flaky, range(1, count + 1)))


@workflow
async def hopeless() -> None:
    """Fail because of a task that hangs."""
    await hang()


@workflow
class Waiting:
    """Wait."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()

    async def run(self) -> None:
        """Wait until told."""
        await self.ended.wait()

    @signal
    def end(self) -> None:
        """Go on."""
        self.ended.set()

    @query
    def waits(self) -> bool:
        """Say whether it waits."""
        return not self.ended.is_set()


def read(text: str) -> dict[tuple[str, ...], float]:
    """Return each value by its name and labels, in the order of the labels' names."""
    return {
        (each.name, *(value for _, value in sorted(each.labels.items()))): each.value
        for family in text_string_to_metric_families(text)
        for each in family.samples
    }


async def page(app: Holdfast) -> dict[tuple[str, ...], float]:
    """Return the metrics of a stack in this process."""
    body, _ = await Publisher(app.stack.meters, app.stack.store).page("")
    return read(body.decode())


@on_loop
async def test_runs_and_attempts_are_counted_where_they_end(tmp_path) -> None:
    """First attempts, attempts from the queue, items of a fan-out, time-outs, ends of runs, and replays."""
    options = {"definitions": [errands, hopeless, Waiting, flaky, hang], "tune_gc": False}
    store = f"sqlite:///{tmp_path}/store.db"
    async with Holdfast(store=store, **options) as app:
        assert await (await app.client.start(errands, 5, id="r-1")).result() == 5
        with pytest.raises(RunFailedError):
            await (await app.client.start(hopeless, id="r-2")).result()
        waiting = await app.client.start(Waiting, id="r-3")
        assert await waiting.query(Waiting.waits)
        found = await page(app)
        attempts = "holdfast_task_attempts_total"
        assert found[attempts, "completed", "flaky"] == 7
        assert found[attempts, "failed", "flaky"] == 1
        assert found[attempts, "timed_out", "hang"] == 1
        assert found["holdfast_runs_closed_total", "COMPLETED", "errands"] == 1
        assert found["holdfast_runs_closed_total", "FAILED", "hopeless"] == 1
        assert found["holdfast_run_seconds_count", "errands"] == 1
        assert found["holdfast_runs", "RUNNING"] == found["holdfast_runs", "FAILED"] == 1
        assert found["holdfast_members", "stack", "alive"] == 1
        assert found["holdfast_pool_workers", "default"] == 1
        assert found["holdfast_commits_total",] == found["holdfast_commit_seconds_count",] > 3
        assert found["holdfast_replays_total",] == 0
    async with Holdfast(store=store, **options) as app:
        assert await app.client.handle("r-3").query(Waiting.waits)
        assert (await page(app))["holdfast_replays_total",] == 1
        await app.client.handle("r-3").signal(Waiting.end)
        await app.client.handle("r-3").result()
        found = await page(app)
        assert found["holdfast_runs_closed_total", "COMPLETED", "Waiting"] == 1
        assert ("holdfast_task_attempts_total", "completed", "flaky") not in found


@on_loop
async def test_processes_without_the_api_show_what_they_did(tmp_path) -> None:
    """An orchestrator and a worker each have their numbers on a port; their logs are JSON, and hold no payload."""
    (tmp_path / "errands.py").write_text(MODULE, encoding="utf-8")
    verb = ("-m", "holdfast")
    options = ("errands", "--metrics-port", "0", "--json")
    with Script(tmp_path, *verb, "orchestrator", *options) as orchestrator:
        with Script(tmp_path, *verb, "worker", *options) as worker:
            places = [json.loads(each.hear())["metrics"] for each in (orchestrator, worker)]
            async with await Client.connect(f"sqlite:///{tmp_path}/ladder.db") as client:
                handle = await client.start("errand", CANARY, id="r-1")
                assert await handle.result() == CANARY
            async with httpx.AsyncClient() as http:

                async def look() -> list[str] | None:
                    texts = [(await http.get(each)).text for each in places]
                    done = "holdfast_runs_closed_total{" in texts[0] and 'outcome="completed"' in texts[1]
                    return texts if done else None

                texts = await wait_for(look)  # it is counted once it is known to be durable, a moment after it is
            moved, worked = map(read, texts)
            assert moved["holdfast_runs_closed_total", "COMPLETED", "errand"] == 1
            assert worked["holdfast_task_attempts_total", "failed", "flaky"] == 1
            assert worked["holdfast_task_attempts_total", "completed", "flaky"] == 1
            assert not any(CANARY in each or "holdfast_runs{" in each for each in texts)
            worker.process.terminate()
            code, errors = worker.end()
        lines = [json.loads(each) for each in errors.splitlines()]
        assert code == 0
        (failed,) = [each for each in lines if each["event"] == "attempt failed"]
        assert failed["error"] == "ValueError: no such \\x1b[31mluck\\nwith a line of its own"
        assert (failed["run_id"], failed["task"], failed["attempt"]) == ("r-1", "flaky", 1)
        assert failed["member"].endswith(f":{worker.pid}")
        assert CANARY not in errors
