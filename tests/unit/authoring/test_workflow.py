"""Workflows: what the decorator makes, refuses and starts."""

# ruff: noqa: ARG002, ASYNC251, D101, D102, D103, RUF059 - the workflows stand for users' own, which say nothing

from __future__ import annotations

import asyncio
import inspect
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import BaseModel

from holdfast.authoring import (
    Retry,
    definition_of,
    find_definition,
    lock,
    map_tasks,
    query,
    signal,
    task,
    task_workflow,
    update,
    workflow,
)
from holdfast.errors import DefinitionError, EncodeError, InputError, OutsideWorkflowError
from holdfast.ports.program import Program
from tests.unit.authoring.recorder import Outcomes, inside_workflow, on_loop


class Batch(BaseModel):
    account: str
    documents: list[str]


class Report(BaseModel):
    text: str


class Summary(BaseModel):
    count: int

    @classmethod
    def of(cls, reports) -> Summary:
        return cls(count=len(reports))


class Progress(BaseModel):
    done: int


# What follows stands in the design word for word.
# fmt: off

@task(pool="default", timeout="60s", heartbeat_timeout="10s",
      retry=Retry(attempts=5, initial="1s", factor=2, maximum="1m", non_retryable=[ValueError]))
async def summarize(path: str) -> Report: ...

@task(isolation="process")            # a sync function; runs in a child process that can be killed
def ocr(path: str) -> str: ...

@task
async def fetch(name: str) -> str: ...

@task
async def charge(account: str, fence: int) -> None: ...

@workflow
class ReviewBatch:
    def __init__(self) -> None:
        self.approved = asyncio.Event()

    async def run(self, batch: Batch) -> Summary:
        reports = await map_tasks(summarize, batch.documents)         # 10,000 items, O(1) history
        first, second = await asyncio.gather(fetch("a"), fetch("b"))   # calling a task issues it
        async with asyncio.timeout(3 * 86400):                         # a durable timer
            await self.approved.wait()
        async with lock(f"account:{batch.account}") as held:           # durable, fenced, released on any end
            await charge(batch.account, fence=held.token)
        return Summary.of(reports)

    @signal
    def approve(self, by: str) -> None: self.approved.set()
    @query
    def progress(self) -> Progress: ...
    @update
    async def add(self, document: str) -> int: ...
    @add.validator
    def _(self, document: str) -> None: ...                            # may reject; leaves nothing in history

# fmt: on


@workflow
async def nightly(batch: Batch) -> Summary:
    """Run at night."""
    return Summary(count=len(batch.documents))


BATCH = b'{"account":"a","documents":["x","y"]}'


def test_the_class_of_the_design_is_a_program() -> None:
    """The documented class decorates as it stands and gives the engine all it needs."""
    program: Program = definition_of(ReviewBatch)
    assert program.name == "ReviewBatch"
    assert (list(program.signals), list(program.queries), list(program.updates)) == (["approve"], ["progress"], ["add"])
    assert program.encode_result(Summary(count=2)) == b'{"count":2}'
    with pytest.raises(EncodeError, match="Summary"):
        program.encode_result({"count": 2})
    definition = definition_of(ReviewBatch)
    assert definition.decode_result(b'{"count":2}') == Summary(count=2)
    assert definition.input_schema()["required"] == ["account", "documents"]
    assert definition.output_schema()["required"] == ["count"]


@on_loop
async def test_the_class_of_the_design_runs_to_its_end() -> None:
    """Fan-out, gather, a signal, a lock: each asks the runtime for what it stands for, in order."""
    with inside_workflow() as run:
        instance, coroutine = definition_of(ReviewBatch).start(BATCH)
        main = asyncio.create_task(coroutine)
        await _until(lambda: run.issued)
        assert run.issued[0].payloads == [b'"x"', b'"y"']
        run.issued[0].resolve(Outcomes([b'{"text":"1"}', b'{"text":"2"}']))
        await _until(lambda: len(run.issued) == 3)
        run.issued[1].resolve(b'"A"')
        run.issued[2].resolve(b'"B"')
        definition_of(ReviewBatch).signals["approve"].call(instance, b'"ops"')
        await _until(lambda: run.acquired)
        name, slots, future = run.acquired[0]
        assert (name, slots) == ("account:a", 1)
        future.set_result(41)
        await _until(lambda: len(run.issued) == 4)
        assert run.issued[3].payloads == [b'{"account":"a","fence":41}']
        assert not run.released
        run.issued[3].resolve(b"null")
        assert await main == Summary(count=2)
        assert run.released == [future]


async def _until(condition) -> None:
    for _ in range(100):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("the workflow did not get there")


@on_loop
async def test_starting_makes_a_fresh_instance_each_time() -> None:
    """State belongs to one execution; the function form has none."""
    definition = definition_of(ReviewBatch)
    (first, one), (second, two) = definition.start(BATCH), definition.start(BATCH)
    assert first is not second
    one.close()
    two.close()
    instance, coroutine = nightly.start(BATCH)
    assert instance is None
    assert await coroutine == Summary(count=2)


@pytest.mark.parametrize("subject", [ReviewBatch, nightly, task_workflow(fetch)])
def test_input_that_does_not_fit_starts_nothing(subject) -> None:
    """InputError comes from start itself: there is no coroutine to be closed."""
    with pytest.raises(InputError):
        definition_of(subject).start(b'{"documents":5}')


@on_loop
async def test_a_submitted_task_is_a_workflow_of_one_step() -> None:
    """`task:fetch` hands its payload and result through as they are."""
    definition = task_workflow(fetch)
    assert definition.name == "task:fetch"
    with inside_workflow() as run:
        _, coroutine = definition.start(b'"a"')
        main = asyncio.create_task(coroutine)
        await _until(lambda: run.issued)
        issued = run.issued[0]
        assert (issued.name, issued.payloads, issued.options) == ("fetch", [b'"a"'], fetch.task_options)
        issued.resolve(b'"result"')
        result = await main
    assert definition.encode_result(result) == b'"result"'
    assert definition.decode_result(b'"result"') == "result"
    assert definition.input_schema() == fetch.input_schema()


def test_a_class_stays_the_class_it_was() -> None:
    """It can be instantiated and subclassed; a function becomes its definition."""
    assert inspect.isclass(ReviewBatch)
    assert isinstance(ReviewBatch(), ReviewBatch)
    assert find_definition(nightly) is nightly
    assert nightly.__doc__ == "Run at night."
    assert nightly.name == "nightly"
    assert "test_workflow.py:" in nightly.where

    class Child(ReviewBatch): ...

    assert find_definition(Child) is None
    with pytest.raises(DefinitionError, match="inherits from a workflow"):
        definition_of(Child)
    for odd in (5, "x", fetch, int, None):
        with pytest.raises(DefinitionError, match="is no workflow"):
            definition_of(odd)


def test_names_can_be_given() -> None:
    """`name=` is what histories say."""

    @workflow(name="reviews.nightly")
    async def flow() -> None: ...

    @workflow(name="reviews.Batch")
    class Flow:
        async def run(self) -> None: ...

    assert flow.name == "reviews.nightly"
    assert definition_of(Flow).name == "reviews.Batch"
    with pytest.raises(DefinitionError):
        workflow(name="a@2")(flow.fn)


@on_loop
async def test_a_workflow_is_started_not_called() -> None:
    """A direct call says how to start it, and how to test its logic."""
    with pytest.raises(OutsideWorkflowError) as caught:
        nightly(Batch(account="a", documents=[]))
    assert "client.start(nightly, ...)" in str(caught.value)
    assert "nightly.fn" in str(caught.value)
    with inside_workflow(), pytest.raises(DefinitionError, match="by another workflow"):
        nightly(Batch(account="a", documents=[]))
    assert (await nightly.fn(Batch(account="a", documents=["x"]))).count == 1


def test_a_sync_function_is_shown_the_two_line_change() -> None:
    """The error contains the change, not only the complaint."""
    with pytest.raises(DefinitionError) as caught:

        @workflow
        def nightly(x: int) -> int:
            return x

    text = str(caught.value)
    assert "- def nightly(...):" in text
    assert "+ async def nightly(...):" in text
    assert "+     result = await work(...)" in text


def test_classes_that_cannot_run_are_refused() -> None:
    """No run, a sync run, an __init__ with parameters."""
    with pytest.raises(DefinitionError, match="has no run"):

        @workflow
        class Empty: ...

    with pytest.raises(DefinitionError, match="no `async def run"):

        @workflow
        class Sync:
            def run(self) -> None: ...

    with pytest.raises(DefinitionError, match="__init__ takes more than self"):

        @workflow
        class Needy:
            def __init__(self, x: int) -> None: ...
            async def run(self) -> None: ...


def test_definitions_do_not_mix() -> None:
    """A task is no workflow, a workflow is decorated once, an object is neither."""
    for subject in (fetch, nightly, 5, "x", len):
        with pytest.raises(DefinitionError):
            workflow(subject)


def test_the_lint_runs_at_decoration() -> None:
    """Code that a replay would answer differently does not become a workflow."""
    import time

    with pytest.raises(DefinitionError, match=r"time\.time"):

        @workflow
        async def clocked() -> float:
            return time.time()

    with pytest.raises(DefinitionError, match=r"time\.sleep"):

        @workflow
        class Sleepy:
            async def run(self) -> None:
                time.sleep(1)


def test_dataclasses_and_local_types_work() -> None:
    """A workflow may be a dataclass, and its types may be local."""

    class Local(BaseModel):
        x: int

    @workflow
    @dataclass
    class Flow:
        seen: int = 0

        async def run(self, local: Local) -> Local:
            self.seen += 1
            return local

    definition = definition_of(Flow)
    _, coroutine = definition.start(b'{"x":1}')
    assert asyncio.run(coroutine) == Local(x=1)


def test_the_code_version_changes_with_the_code(tmp_path: Path) -> None:
    """Two versions of a source have two digests; the same source has one."""

    def version(body: str) -> str:
        file = tmp_path / f"flow{abs(hash(body))}.py"
        file.write_text(f"from holdfast.authoring import workflow\n@workflow\nasync def flow() -> int:\n    {body}\n")
        names: dict[str, object] = {"__name__": "flow"}
        exec(compile(file.read_text(), str(file), "exec"), names)
        return definition_of(names["flow"]).code_version

    assert version("return 1") == version("return 1")
    assert version("return 1") != version("return 2")
    names: dict[str, object] = {"__name__": "nowhere"}
    exec("from holdfast.authoring import workflow\n@workflow\nasync def flow() -> int: return 1", names)
    assert definition_of(names["flow"]).code_version


def test_preparing_finds_types_that_cannot_travel() -> None:
    """Adapters of input, result and every handler can be made before the first run."""

    class Strange: ...

    @workflow
    class Flow:
        async def run(self) -> None: ...
        @query
        def odd(self) -> Strange: ...

    definition_of(ReviewBatch).prepare()
    with pytest.raises(DefinitionError, match="query odd"):
        definition_of(Flow).prepare()
