"""One trace from whoever starts a run to every task, wherever it runs, and nothing twice."""

from __future__ import annotations

import asyncio
import json
import threading

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from holdfast import Client, Holdfast, Retry, continue_as_new, map_tasks, query, signal, start_child, task, workflow
from holdfast.app.web import open_server
from holdfast.errors import RunFailedError
from holdfast.history import to_json
from holdfast.observe import within
from holdfast.replay import WorkflowReplayer, load_history
from holdfast.replay.captures import read_run
from tests.acceptance.ladder import Script
from tests.unit.worker.rig import on_loop, wait_until

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GIVEN = f"00-{TRACE}-{SPAN}-01"
CANARY = "canary-7f3a91"

MODULE = """
import asyncio
import os

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

from holdfast import signal, task, workflow

exporter = ConsoleSpanExporter(
    out=open(f"spans-{os.getpid()}", "w"), formatter=lambda span: span.to_json(indent=None) + "\\n"
)
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)


@task
async def fetch(name: str) -> str:
    with trace.get_tracer("shop").start_as_current_span("inside"):
        return name


@workflow
class Order:
    def __init__(self) -> None:
        self.approved = asyncio.Event()

    async def run(self) -> list[str]:
        first = await fetch("first")
        await self.approved.wait()
        return [first, await fetch("second")]

    @signal
    def approve(self) -> None:
        self.approved.set()
"""


@task(retry=Retry(attempts=2, initial=0.01))
async def flaky(number: int) -> int:
    """Fail at the first attempt, when asked for nothing."""
    from holdfast import task_info

    with trace.get_tracer("shop").start_as_current_span(f"inside {number}"):
        if task_info().attempt == 1 and number == 0:
            raise ValueError("not yet")
        return number


@task(isolation="thread")
def compute() -> str:
    """Work in a thread."""
    with trace.get_tracer("shop").start_as_current_span("inside a thread"):
        return threading.current_thread().name


@workflow
async def child(number: int) -> int:
    """Run one task."""
    return await flaky(number)


@workflow
async def errands(again: bool) -> int:
    """Do everything that goes on in a trace."""
    if again:
        await flaky(0)
        await compute()
        continue_as_new(False)
    return len(await map_tasks(flaky, [1, 2])) + await start_child(child, 3)


@workflow
async def hopeless() -> None:
    """Fail."""
    raise ValueError(CANARY)


@workflow
class Waiting:
    """Wait."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()

    async def run(self) -> int:
        """Run a task, and wait until told."""
        found = await flaky(7)
        await self.ended.wait()
        return found

    @signal
    def end(self) -> None:
        """Go on."""
        self.ended.set()

    @query
    def waits(self) -> bool:
        """Say whether it waits."""
        return not self.ended.is_set()


DEFINITIONS = [errands, child, hopeless, Waiting, flaky, compute]


@pytest.fixture
def exporter(monkeypatch):
    """Set up an SDK for one test, and give what keeps the spans."""
    kept = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", provider)
    yield kept
    provider.shutdown()


def named(exporter: InMemorySpanExporter, name: str) -> list:
    """Return the spans of a name, the first to begin first."""
    return sorted(
        (each for each in exporter.get_finished_spans() if each.name == name), key=lambda each: each.start_time
    )


def stack(folder, **options) -> Holdfast:
    """Return a stack on a store in `folder`."""
    return Holdfast(store=f"sqlite:///{folder}/store.db", definitions=DEFINITIONS, tune_gc=False, **options)


@on_loop
async def test_one_trace_from_the_start_to_every_task(tmp_path, exporter) -> None:
    """First attempts, retries through the queue, threads, items, children and later executions are in one trace."""
    async with stack(tmp_path) as app:
        with trace.get_tracer("shop").start_as_current_span("checkout") as checkout:
            handle = await app.client.start(errands, True, id="r-1")
        assert await handle.result() == 5
    assert {each.context.trace_id for each in exporter.get_finished_spans()} == {checkout.context.trace_id}
    (start,) = named(exporter, "start errands")
    assert start.parent.span_id == checkout.context.span_id
    tasks = named(exporter, "task flaky") + named(exporter, "task compute")
    assert {each.parent.span_id for each in tasks} == {start.context.span_id}
    failed, again, *_ = tasks
    assert [each.attributes["holdfast.attempt"] for each in (failed, again)] == [1, 2]
    assert failed.status.description == "ValueError: not yet"
    assert dict(again.attributes) == {
        "holdfast.run_id": "r-1",
        "holdfast.execution": "r-1",
        "holdfast.step": "flaky#1",
        "holdfast.task": "flaky",
        "holdfast.attempt": 2,
        "holdfast.pool": "default",
        "holdfast.outcome": "completed",
    }
    steps = [each.attributes["holdfast.step"] for each in tasks]
    assert sorted(steps) == ["compute#1", "flaky#1", "flaky#1", "flaky#1", "map#1[0]", "map#1[1]"]
    inside = {
        each.name: each.parent.span_id for each in exporter.get_finished_spans() if each.name.startswith("inside")
    }
    assert inside["inside 0"] in {failed.context.span_id, again.context.span_id}
    assert inside["inside a thread"] == named(exporter, "task compute")[0].context.span_id
    first, second = named(exporter, "run errands")
    assert [each.attributes["holdfast.status"] for each in (first, second)] == ["CONTINUED_AS_NEW", "COMPLETED"]
    assert first.start_time <= failed.start_time
    assert again.end_time <= first.end_time
    assert len(named(exporter, "run child")) == 1


@on_loop
async def test_what_is_done_again_from_the_record_makes_no_span(tmp_path, exporter) -> None:
    """Recovering a run, asking one that has ended, and replaying a history in a test are not work."""
    async with stack(tmp_path) as app:
        handle = await app.client.start(Waiting, id="r-1")
        await wait_until(lambda: named(exporter, "task flaky"))
        assert await handle.query(Waiting.waits)
    before = len(exporter.get_finished_spans())
    async with stack(tmp_path) as app:
        handle = app.client.handle("r-1", Waiting)
        assert await handle.query(Waiting.waits)
        assert len(exporter.get_finished_spans()) == before
        with trace.get_tracer("shop").start_as_current_span("approval") as approval:
            await handle.signal(Waiting.end)
        (told,) = named(exporter, "signal")
        assert told.parent.span_id == approval.context.span_id
        assert dict(told.attributes) == {"holdfast.run_id": "r-1", "holdfast.name": "end"}
        assert await handle.result() == 7
        assert len(named(exporter, "run Waiting")) == 1
        before = len(exporter.get_finished_spans())
        assert not await handle.query(Waiting.waits)
        (tmp_path / "history.json").write_bytes(await exported(app, "r-1"))
    result = WorkflowReplayer(Waiting).replay(load_history(tmp_path / "history.json"))
    assert result.status == "COMPLETED"
    assert len(exporter.get_finished_spans()) == before


async def exported(app: Holdfast, run_id: str) -> bytes:
    """Return a run's history as a file has it."""
    record = await app.stack.engine.describe(run_id)
    return to_json((await read_run(app.stack.store, record.execution_id)).events)


@on_loop
async def test_a_request_names_its_trace(tmp_path, exporter) -> None:
    """The span of a request is a child of the one in its header, and by its route; an error's words stay out."""
    async with stack(tmp_path, port=0) as app:
        server = await open_server(app.stack, app.settings)
        try:
            async with httpx.AsyncClient(base_url=server.url, headers={"traceparent": GIVEN}) as http:
                await http.post(f"/v1/workflows/hopeless/runs?id={CANARY}", headers={"Prefer": "wait=10"})
                await http.get("/metrics")
                await http.get(f"/{CANARY}?token={CANARY}")
                await http.post(f"/v1/callbacks/{CANARY}", json=CANARY)
        finally:
            await server.stop()
        with pytest.raises(RunFailedError):
            await app.client.handle(CANARY).result()
    (post,) = named(exporter, "POST /v1/workflows/{name}/runs")
    assert f"{post.context.trace_id:032x}" == TRACE
    assert f"{post.parent.span_id:016x}" == SPAN
    assert dict(post.attributes) == {
        "http.request.method": "POST",
        "http.route": "/v1/workflows/{name}/runs",
        "http.response.status_code": 201,
    }
    (start,) = named(exporter, "start hopeless")
    assert start.parent.span_id == post.context.span_id
    (run,) = named(exporter, "run hopeless")
    assert run.parent.span_id == start.context.span_id
    assert not run.status.is_ok
    assert len(named(exporter, "GET none")) == 1
    assert not [each for each in exporter.get_finished_spans() if "metrics" in each.name]
    assert {each.name.partition(" ")[0] for each in exporter.get_finished_spans()} == {"GET", "POST", "start", "run"}
    requests = [each.to_json() for each in exporter.get_finished_spans() if each.kind is trace.SpanKind.SERVER]
    assert len(requests) == 3
    assert not any(CANARY in each for each in requests), "paths, queries and tokens are not for a trace"


@on_loop
async def test_a_trace_goes_on_where_nobody_makes_spans(tmp_path) -> None:
    """Without an SDK the header is kept with the run; one that does not fit is as good as none."""
    async with stack(tmp_path, port=0) as app:
        server = await open_server(app.stack, app.settings)
        try:
            async with httpx.AsyncClient(base_url=server.url) as http:
                for run_id, header in (("r-1", GIVEN), ("r-2", "00-forged\x7f"), ("r-3", GIVEN.replace("-01", "-00"))):
                    await http.post(f"/v1/workflows/hopeless/runs?id={run_id}", headers={"traceparent": header})
        finally:
            await server.stop()
        kept = [(await app.client.handle(each).history())[0].event.traceparent for each in ("r-1", "r-2", "r-3")]
        assert kept == [GIVEN, "", GIVEN.replace("-01", "-00")]


def spans_of(folder, script: Script) -> list[dict]:
    """Return the spans that a process has written."""
    return [json.loads(line) for line in (folder / f"spans-{script.pid}").read_text(encoding="utf-8").splitlines()]


@on_loop
async def test_a_trace_survives_kill_9_and_crosses_processes(tmp_path, monkeypatch) -> None:
    """Tasks are traced by the worker that does them, a run by the orchestrator that ends it, whoever was killed."""
    (tmp_path / "shop.py").write_text(MODULE, encoding="utf-8")
    verb = ("-m", "holdfast")
    with Script(tmp_path, *verb, "worker", "shop") as worker, Script(tmp_path, *verb, "orchestrator", "shop") as killed:
        assert worker.hear().startswith("member")
        assert killed.hear().startswith("member")
        async with await Client.connect(f"sqlite:///{tmp_path}/ladder.db") as client:
            with within(GIVEN):
                handle = await client.start("Order", id="r-1")
            await wait_until(lambda: len(spans_of(tmp_path, worker)) == 2)
            killed.process.kill()
            killed.process.wait()
            with Script(tmp_path, *verb, "orchestrator", "shop") as second:
                assert second.hear().startswith("member")
                await handle.signal("approve")
                assert await handle.result() == ["first", "second"]
                await wait_until(lambda: spans_of(tmp_path, second))
                (run,) = spans_of(tmp_path, second)
        inside, fetched, _, again = spans_of(tmp_path, worker)
        assert spans_of(tmp_path, killed) == []
        assert (run["name"], run["attributes"]["holdfast.status"]) == ("run Order", "COMPLETED")
        assert [each["attributes"]["holdfast.step"] for each in (fetched, again)] == ["fetch#1", "fetch#2"]
        assert {each["context"]["trace_id"] for each in (inside, fetched, again, run)} == {f"0x{TRACE}"}
        assert [each["parent_id"] for each in (fetched, again, run)] == [f"0x{SPAN}"] * 3
        assert inside["parent_id"] == fetched["context"]["span_id"]
