"""Tasks: what a call issues, what the decorator refuses, and how tests run the plain function."""

# ruff: noqa: D101, D102, D103 - the functions stand for users' own, which say nothing

from __future__ import annotations

import inspect

import pytest

from holdfast.authoring.inside_task import heartbeat, task_info
from holdfast.authoring.options import Retry
from holdfast.authoring.task import TaskDefinition, plain_task, task
from holdfast.errors import DefinitionError, EncodeError, HoldfastError, OutsideWorkflowError
from tests.unit.authoring.recorder import inside_workflow, on_loop


@task
async def fetch(path: str, count: int = 1) -> list[str]:
    """Fetch it."""
    return [path] * count


@task(pool="gpu", timeout="30s", isolation="process", name="ocr.page", retry=Retry(non_retryable=[LookupError]))
def ocr(path: str) -> str:
    heartbeat({"at": path})
    return f"{task_info().task}:{path}"


@task(key=lambda path: f"doc-{path}")
async def keyed(path: str) -> None: ...


def process(task_id, payload):
    return {"id": task_id, "payload": payload}


@on_loop
async def test_a_call_inside_a_workflow_issues_the_task() -> None:
    """Name, payload and options go to the runtime; the future decodes to the declared type."""
    with inside_workflow() as run:
        future = fetch("a", count=2)
    (issued,) = run.issued
    assert (issued.name, issued.payloads, issued.key) == ("fetch", [b'{"path":"a","count":2}'], None)
    assert issued.options == fetch.task_options
    issued.resolve(b'["x"]')
    assert await future == ["x"]


@on_loop
async def test_options_of_one_call_replace_those_of_the_task() -> None:
    """`.options` adds to the task's own for that call only, and names the step."""
    with inside_workflow() as run:
        ocr.options(timeout="1m", key="doc-7").options(priority=2)("a")
        ocr("b")
    first, second = run.issued
    assert (first.options.timeout, first.options.pool, first.options.priority, first.key) == (60.0, "gpu", 2, "doc-7")
    assert (second.options.timeout, second.options.priority, second.key) == (30.0, 0, None)


@on_loop
async def test_a_task_can_compute_its_keys() -> None:
    """`key=` of the decorator names each step by its arguments; a call's own key wins."""
    with inside_workflow() as run:
        keyed("a")
        keyed.options(key="mine")("a")
        with pytest.raises(TypeError, match="key"):
            keyed.options(key="")
    assert [each.key for each in run.issued] == ["doc-a", "mine"]


@on_loop
async def test_wrong_calls_fail_at_the_call() -> None:
    """Neither a missing argument nor a wrong type gets as far as the runtime."""
    with inside_workflow() as run:
        with pytest.raises(TypeError):
            fetch()  # type: ignore[call-arg]
        with pytest.raises(EncodeError):
            fetch(5)  # type: ignore[arg-type]
        assert not run.issued


def test_a_call_outside_a_workflow_offers_what_to_do() -> None:
    """Nothing is silently non-durable: the error names the line, `.local` and `app.submit`."""
    for call in (fetch, fetch.options(timeout=5)):
        with pytest.raises(OutsideWorkflowError) as caught:
            call("a")
        text = str(caught.value)
        assert "await fetch.local(...)" in text
        assert "app.submit(fetch, ...)" in text
        assert "test_task.py" in text
    with pytest.raises(OutsideWorkflowError, match=r"(?m): ocr\.local"):
        ocr("a")


@on_loop
async def test_local_runs_the_plain_function() -> None:
    """`.local` awaits an async task, calls a sync one, and lets task_info and heartbeat work."""
    assert await fetch.local("a", 2) == ["a", "a"]
    assert ocr.local("p") == "ocr.page:p"
    with pytest.raises(OutsideWorkflowError):
        task_info()


def test_a_definition_knows_what_it_was_made_from() -> None:
    """Name, function, place and docs are at hand, and tools see through it."""
    assert isinstance(ocr, TaskDefinition)
    assert (ocr.name, ocr.qualname, ocr.is_async) == ("ocr.page", "ocr", False)
    assert (fetch.name, fetch.is_async, fetch.__doc__) == ("fetch", True, "Fetch it.")
    assert fetch.module == __name__
    assert "test_task.py:" in fetch.where
    assert list(inspect.signature(fetch).parameters) == ["path", "count"]
    assert inspect.unwrap(fetch) is fetch.fn
    assert fetch.input_schema()["required"] == ["path"]
    assert fetch.output_schema()["type"] == "array"


def test_subclasses_of_non_retryable_exceptions_are_not_retried() -> None:
    """`non_retryable=[LookupError]` means KeyError too."""
    assert not ocr.is_retryable(KeyError("x"))
    assert ocr.is_retryable(ValueError("x"))
    assert fetch.is_retryable(KeyError("x"))


def test_an_error_that_says_so_is_not_retried() -> None:
    """Some errors of our own come again however often an attempt is made."""

    class FinalError(HoldfastError):
        retryable = False

    assert not fetch.is_retryable(FinalError())
    assert fetch.is_retryable(HoldfastError())


def test_a_plain_function_becomes_a_task_unchanged() -> None:
    """Rung 2: named `module:function`, with default options; a task stays what it is."""
    definition = plain_task(process)
    assert definition.name == f"{__name__}:process"
    assert definition.fn is process
    assert definition.signature.encode_call(("t1", {"a": 1}), {}) == b'{"task_id":"t1","payload":{"a":1}}'
    assert plain_task(fetch) is fetch


class Holder:
    def method(self, x: int) -> int: ...
    @staticmethod
    def static(x: int) -> int: ...


def generator():
    yield 1


async def async_generator():
    yield 1


@pytest.mark.parametrize(
    "subject",
    [Holder, Holder.method, generator, async_generator, 5, "x", len, fetch, staticmethod(process)],
    ids=["class", "method", "generator", "async-generator", "number", "text", "builtin", "task", "staticmethod"],
)
def test_what_cannot_be_a_task_is_refused(subject) -> None:
    """Classes, methods, generators and odd objects are DefinitionErrors at decoration."""
    with pytest.raises(DefinitionError):
        task(subject)


def test_a_static_function_of_a_class_may_be_a_task() -> None:
    """Only `self` stands in the way."""
    assert task(Holder.static).name == "static"


def test_isolation_has_to_fit_the_function() -> None:
    """A sync function cannot run on the loop, a coroutine function not in a thread."""
    for options in ({"isolation": "async"},):
        with pytest.raises(DefinitionError, match="sync function"):
            task(**options)(process)
    with pytest.raises(DefinitionError, match="coroutine function"):
        task(isolation="thread")(fetch.fn)
    with pytest.raises(DefinitionError, match="coroutine function"):
        fetch.options(isolation="thread")


def test_a_constant_key_is_refused_at_decoration() -> None:
    """One key for all calls would make the second call an error."""
    with pytest.raises(DefinitionError, match="same for every call"):
        task(key="doc")(process)  # type: ignore[call-overload]


def test_a_local_function_cannot_be_submitted() -> None:
    """No other process could find it."""
    with pytest.raises(DefinitionError, match="local to another function"):
        plain_task(lambda: None)
