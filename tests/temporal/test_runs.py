"""`engine = "temporal://..."`, and nothing else in the user's code changes."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import logging
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from holdfast import Client, Holdfast
from holdfast.errors import (
    NotOnEngineError,
    QueryError,
    RunCancelledError,
    RunClosedError,
    RunConflictError,
    RunFailedError,
    RunNotFoundError,
    RunTerminatedError,
    StoreError,
    UnknownNameError,
    UpdateRejectedError,
)
from holdfast.history import TaskScheduled, TimerStarted, WorkflowCompleted
from holdfast.ports.engine import decode_memo
from holdfast.ports.operations import RunFilter
from holdfast.replay import Verdict, WorkflowReplayer, load_history
from tests.servers.temporal import Temporal
from tests.servers.ward import free_port
from tests.temporal.runs import DEFINITIONS, Basket, doomed, judged, limited, one_of_each, patient, recovering


@asynccontextmanager
async def serving(server: Temporal, folder: Path) -> AsyncIterator[Holdfast]:
    """Run a stack whose engine is the server."""
    store = f"sqlite:///{folder / 'store.db'}"
    async with Holdfast([], store, definitions=DEFINITIONS, engine=server.url, log_level="ERROR") as app:
        yield app


def on_temporal(server: Temporal, folder: Path, body: Callable[[Holdfast], Coroutine[Any, Any, None]]) -> None:
    """Run `body` with a stack whose engine is the server."""

    async def run() -> None:
        async with serving(server, folder) as app:
            await body(app)

    asyncio.run(run())
    gc.collect()  # nothing else closes a connection of the SDK's


def test_temporals_own_cli_shows_one_activity_per_task_and_one_timer_per_sleep(
    temporal_server: Temporal, tmp_path: Path
) -> None:
    """Under the task's own name and the step's, with input and result as plain JSON."""

    async def body(app: Holdfast) -> None:
        handle = await app.client.start(one_of_each, "ink", id="shown")
        assert await handle.result() == "INK"
        assert (await handle.describe()).status == "COMPLETED"
        kinds = [type(each.event) for each in await handle.history()]
        assert [kinds.count(each) for each in (TaskScheduled, TimerStarted, WorkflowCompleted)] == [1, 1, 1]

    on_temporal(temporal_server, tmp_path, body)
    events = json.loads(temporal_server.show("shown"))["events"]
    scheduled = [each["activityTaskScheduledEventAttributes"] for each in _of_kind(events, "ACTIVITY_TASK_SCHEDULED")]
    assert [(each["activityType"]["name"], each["activityId"]) for each in scheduled] == [("fetch", "fetch#1")]
    assert base64.b64decode(scheduled[0]["input"]["payloads"][0]["data"]) == b'"ink"'
    assert len(_of_kind(events, "TIMER_STARTED")) == 1
    assert replayed(temporal_server, "shown", one_of_each) == (Verdict.IDENTICAL, "COMPLETED")


def test_a_delayed_task_keeps_its_attempts(temporal_server: Temporal, tmp_path: Path) -> None:
    """What waits for its time uses none of them, leaves no timer, and is told under its fairness key."""

    async def body(app: Holdfast) -> None:
        assert await (await app.client.start(patient, id="patient")).result() == [1, True]

    on_temporal(temporal_server, tmp_path, body)
    events = json.loads(temporal_server.show("patient"))["events"]
    assert not _of_kind(events, "TIMER_STARTED")
    scheduled = [each["activityTaskScheduledEventAttributes"] for each in _of_kind(events, "ACTIVITY_TASK_SCHEDULED")]
    assert [each["priority"]["fairnessKey"] for each in scheduled] == ["acme"]
    assert replayed(temporal_server, "patient", patient) == (Verdict.IDENTICAL, "COMPLETED")


def test_a_run_is_asked_told_and_ended(temporal_server: Temporal, tmp_path: Path) -> None:
    """Queries, updates with validators and signals come to what they come to on the embedded engine."""

    async def body(app: Holdfast) -> None:
        handle = await app.client.start(Basket, id="told")
        assert await handle.update(Basket.add, "ink") == 1
        with pytest.raises(UpdateRejectedError, match="an article has a name"):
            await handle.update(Basket.add, "")
        assert await handle.query(Basket.count) == 1
        with pytest.raises(UnknownNameError, match="no query 'sum'"):
            await handle.query("sum")
        with pytest.raises(UnknownNameError, match="no update 'take'"):
            await handle.update("take", "ink")
        with pytest.raises(QueryError):
            await handle.query(Basket.price)
        await handle.signal(Basket.close)
        assert await handle.result() == ["INK"]
        assert await handle.query(Basket.count) == 1
        for late in (
            handle.signal(Basket.close),
            handle.cancel(),
            handle.terminate(),
            handle.update(Basket.add, "pen"),
        ):
            with pytest.raises(RunClosedError):
                await late

    on_temporal(temporal_server, tmp_path, body)
    assert replayed(temporal_server, "told", Basket) == (Verdict.IDENTICAL, "COMPLETED")


def test_an_id_means_one_run(temporal_server: Temporal, tmp_path: Path) -> None:
    """The same work under it is the same run, other work is refused, and policies say otherwise."""

    async def body(app: Holdfast) -> None:
        client = app.client
        first = await client.start(one_of_each, "ink", id="one")
        again = await client.start(one_of_each, "ink", id="one")
        assert (first.created, again.created) == (True, False)
        with pytest.raises(RunConflictError, match="input"):
            await client.start(one_of_each, "pen", id="one")
        with pytest.raises(RunConflictError, match="workflow"):
            await client.start(Basket, id="one")
        assert await first.result() == "INK"
        second = await client.start(one_of_each, "pen", id="one", id_reuse_policy="allow_duplicate")
        assert (await second.describe()).execution == "one@2"
        assert await second.result() == "PEN"
        assert await client.handle("one@1").result() == "INK"
        with pytest.raises(RunConflictError, match="COMPLETED"):
            await client.start(one_of_each, "pen", id="one", id_reuse_policy="reject_duplicate")
        with pytest.raises(RunNotFoundError):
            await client.handle("nobody").describe()

    on_temporal(temporal_server, tmp_path, body)


def test_runs_are_listed_cancelled_and_terminated(temporal_server: Temporal, tmp_path: Path) -> None:
    """By filter too; how each ended is told with its reason."""

    async def body(app: Holdfast) -> None:
        cancelled = await app.client.start(Basket, id="cancelled", memo={"for": "the test"})
        terminated = await app.client.start(Basket, id="terminated")
        await cancelled.cancel("not needed")
        with pytest.raises(RunCancelledError, match="not needed"):
            await cancelled.result()
        await terminated.terminate("enough")
        with pytest.raises(RunTerminatedError, match="enough"):
            await terminated.result()
        assert decode_memo((await cancelled.describe()).memo) == {"for": "the test"}
        while True:  # Temporal's lists follow a little later
            found, _ = await app.client.runs(where=RunFilter("Basket", ("CANCELLED", "TERMINATED")))
            if len(found) == 2:
                break
        assert {each.run_id for each in found} == {"cancelled", "terminated"}
        assert await app.client.engine.count(RunFilter("Basket", ("CANCELLED",)), 10) == 1

    on_temporal(temporal_server, tmp_path, body)


def test_failures_keep_their_words_both_ways(
    temporal_server: Temporal, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A task's failure arrives as TaskError with type, text and attempts, and a run's as RunFailedError with both."""
    caplog.set_level(logging.ERROR, "temporalio.activity")  # a record of a failure holds all that was around it

    async def body(app: Holdfast) -> None:
        handle = await app.client.start(doomed, "no ink", id="doomed")
        with pytest.raises(RunFailedError) as caught:
            await handle.result()
        error = caught.value
        assert (error.type, error.text) == ("SpoiltError", "ValueError: no ink after 2, then TaskTimeoutError: attempt")
        assert "in doomed" in error.traceback

    on_temporal(temporal_server, tmp_path, body)
    assert replayed(temporal_server, "doomed", doomed) == (Verdict.IDENTICAL, "FAILED")


def test_a_killed_server_goes_on_where_it_was(temporal_server: Temporal, tmp_path: Path) -> None:
    """What it had answered is there; the worker, which lives on, goes on with the run."""

    async def body(app: Holdfast) -> None:
        handle = await app.client.start(Basket, id="outlives")
        assert await handle.update(Basket.add, "ink") == 1
        await asyncio.to_thread(temporal_server.kill9)
        await asyncio.to_thread(temporal_server.start)
        assert await handle.update(Basket.add, "pen") == 2
        await handle.signal(Basket.close)
        assert await handle.result() == ["INK", "PEN"]

    on_temporal(temporal_server, tmp_path, body)


def test_workers_and_orchestrators_of_the_command_line_take_the_engine(
    temporal_server: Temporal, tmp_path: Path
) -> None:
    """One process runs workflows, another one tasks, and a third one starts and waits."""
    store = f"sqlite:///{tmp_path / 'store.db'}"

    async def run() -> None:
        serving = [
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "holdfast", role, "tests/temporal/served.py", "--store", store),
                *("--engine", temporal_server.url, "--json"),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                cwd=Path(__file__).parents[2],
            )
            for role in ("orchestrator", "worker")
        ]
        try:
            async with await Client.connect(store, engine=temporal_server.url) as client:
                handle = await client.start("served", "ink", id="served")
                assert await handle.result(60) == "INK"
        finally:
            for each in serving:
                each.terminate()
                await each.communicate()
        assert [each.returncode for each in serving] == [0, 0]

    asyncio.run(run())
    gc.collect()  # nothing else closes a connection of the SDK's


@pytest.mark.parametrize(("task", "what"), [(limited, "rate.*"), (recovering, "recovery= of a task")])
def test_what_temporal_does_not_have_is_refused_before_anything_runs(task: Any, what: str, tmp_path: Path) -> None:
    """With the reason, and where it stands."""
    app = Holdfast(definitions=[task], store=f"sqlite:///{tmp_path / 'store.db'}", engine="temporal://127.0.0.1:9/x")
    with pytest.raises(NotOnEngineError, match=rf"no {what} on Temporal  \(task '{task.name}'\)"), app:
        raise AssertionError("it started")


# The SDK opens what a process shares when it first connects, and keeps it: that is not to be in this test.
@pytest.mark.usefixtures("temporal_server")
def test_a_cluster_that_is_not_there_is_an_error_that_says_so(tmp_path: Path) -> None:
    """At the start, not at the first run."""
    app = Holdfast([], f"sqlite:///{tmp_path / 'store.db'}", engine=f"temporal://127.0.0.1:{free_port()}/default")
    with pytest.raises(StoreError, match="does not answer"), app:
        raise AssertionError("it started")


def replayed(server: Temporal, run_id: str, workflow: Any) -> tuple[Verdict, str]:
    """Return what our replayer says to what the server recorded of a run, to which Temporal's own has no objection."""
    recorded = server.show(run_id)
    assert asyncio.run(judged(run_id, recorded)) is None
    result = WorkflowReplayer(workflow).replay(load_history(json.loads(recorded)))
    assert result.engine == "temporal"
    return result.verdict, result.status


def _of_kind(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [each for each in events if each["eventType"] == f"EVENT_TYPE_{kind}"]
