"""What the design's programming model shows works as it is written there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import holdfast
from holdfast.errors import RunClosedError, RunConflictError, UpdateRejectedError
from holdfast.history import FanOutCompleted, FanOutStarted, TaskScheduled
from tests.acceptance import design_blocks
from tests.acceptance.design_blocks import Answer, Batch, Progress, Request, ReviewBatch, Summary, nightly, read_all

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """Run coroutine tests on asyncio."""
    return "asyncio"


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Name a fresh store."""
    return f"sqlite:///{tmp_path / 'holdfast.db'}"


@pytest.fixture(autouse=True)
def _nothing_charged() -> Iterator[None]:
    design_blocks.CHARGED.clear()
    yield
    design_blocks.CHARGED.clear()


async def test_review_batch_maps_gathers_waits_locks_and_answers(store: str) -> None:
    """The class with lock, update, signal, query and map runs as written, through the asynchronous door."""
    documents = [f"doc-{each}" for each in range(500)]
    async with holdfast.Holdfast(modules=[design_blocks], store=store) as app:
        handle = await app.client.start(ReviewBatch, Batch(account="a", documents=documents), id="batch-2026-11")
        again = await app.client.start(ReviewBatch, Batch(account="a", documents=documents), id="batch-2026-11")
        assert (handle.created, again.created) == (True, False)
        assert await handle.query(ReviewBatch.progress) == Progress(approved=False, added=[])
        assert await handle.update(ReviewBatch.add, "extra") == 1
        with pytest.raises(UpdateRejectedError, match="a document needs a name"):
            await handle.update(ReviewBatch.add, "")
        await handle.signal(ReviewBatch.approve, by="ops")
        assert await handle.result() == Summary(reports=500, words=sum(map(len, documents)))
        assert await handle.query(ReviewBatch.progress) == Progress(approved=True, added=["extra"])
        with pytest.raises(RunClosedError):
            await handle.signal(ReviewBatch.approve, by="too late")
        events = [each.event for each in await handle.history()]
    assert [account for account, _ in design_blocks.CHARGED] == ["a"]
    assert all(token > 0 for _, token in design_blocks.CHARGED)
    assert sum(isinstance(each, FanOutStarted | FanOutCompleted) for each in events) == 2
    assert [each.step for each in events if isinstance(each, TaskScheduled)] == ["fetch#1", "fetch#2", "charge#1"]


def test_the_synchronous_door_starts_signals_and_waits(store: str) -> None:
    """`with Holdfast(...)` gives the same from synchronous code."""
    with holdfast.Holdfast(modules=["tests.acceptance.design_blocks"], store=store) as app:
        handle = app.start(ReviewBatch, Batch(account="b", documents=["one"]), id="b-1")
        handle.signal(ReviewBatch.approve, by="ops")
        assert handle.result() == Summary(reports=1, words=3)
        with pytest.raises(RunConflictError):
            app.start(ReviewBatch, Batch(account="c", documents=[]), id="b-1")
        assert [each.run_id for each in app.runs()[0]] == ["b-1"]


def test_one_line_runs_a_workflow_and_a_second_one_gets_the_same_result(store: str) -> None:
    """`holdfast.run` waits for the result; the same id again is the same run, which does not run again."""
    first = holdfast.run(nightly, Request(day="monday"), id="n-1", store=store)
    second = holdfast.run(nightly, Request(day="monday"), id="n-1", store=store)
    assert first == second
    assert isinstance(first, Answer)
    assert (first.day, first.run_id) == ("monday", "n-1")


def test_a_task_in_a_process_of_its_own(store: str) -> None:
    """`isolation="process"` runs a sync function in a child process, from a workflow."""
    with holdfast.Holdfast(modules=[design_blocks], store=store) as app:
        assert app.start(read_all, ["a", "b"]).result() == ["A", "B"]


async def test_a_task_is_submitted_without_a_workflow(store: str) -> None:
    """`client.submit` makes one durable task of a call; a client in another place finds its result."""
    async with holdfast.Holdfast(modules=[design_blocks], store=store) as app:
        handle = await app.client.submit(design_blocks.summarize, "a.txt", id="doc-1")
        assert await handle.result() == design_blocks.Report(path="a.txt", words=5)
        async with await holdfast.Client.connect(store) as client:
            assert await client.handle("doc-1").result() == {"path": "a.txt", "words": 5}
