"""Functions called inside workflows and tasks: they ask the runtime, and refuse to work elsewhere."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from holdfast.authoring.inside import (
    all_handlers_finished,
    deprecate_patch,
    now,
    patched,
    random,
    run_info,
    uuid4,
    wait_for_signal,
)
from holdfast.authoring.inside_task import heartbeat, task_info
from holdfast.authoring.messages import signal
from holdfast.authoring.outside import LocalTask
from holdfast.errors import DefinitionError, InputError, OutsideWorkflowError
from holdfast.ports.task import current_task
from tests.unit.authoring.recorder import MOMENT, inside_workflow, on_loop


class Approval(BaseModel):
    """A message."""

    by: str


def test_what_a_workflow_asks_comes_from_its_runtime() -> None:
    """Time, randomness, identity and patches are the runtime's."""
    with inside_workflow() as run:
        assert now() is MOMENT
        assert random() is run.random()
        assert uuid4().version == 4
        assert run_info().run_id == "r-1"
        assert all_handlers_finished() is True
        assert patched("euro") is True
        deprecate_patch("euro")
        assert run.patches == ["euro", "euro deprecated"]
        with pytest.raises(DefinitionError):
            patched("")


@pytest.mark.parametrize(
    "call", [now, random, uuid4, run_info, all_handlers_finished, lambda: patched("x"), lambda: deprecate_patch("x")]
)
def test_outside_a_workflow_each_of_them_says_where_it_was_called(call) -> None:
    """No value is made up: the error names the function and the line."""
    with pytest.raises(OutsideWorkflowError, match=r"\(\) was called outside a workflow") as caught:
        call()
    assert "test_inside.py" in str(caught.value)


@on_loop
async def test_a_signal_is_waited_for_and_decoded() -> None:
    """The next signal of the name arrives as the declared type, or as plain JSON."""
    with inside_workflow() as run:
        typed = asyncio.create_task(wait_for_signal("approve", type=Approval))
        plain = asyncio.create_task(wait_for_signal("note"))
        await asyncio.sleep(0)
        assert [name for name, _ in run.signals] == ["approve", "note"]
        run.signals[0][1].set_result(b'{"by":"ops"}')
        run.signals[1][1].set_result(b"[1]")
        assert await typed == Approval(by="ops")
        assert await plain == [1]
        wrong = asyncio.create_task(wait_for_signal("approve", type=Approval))
        await asyncio.sleep(0)
        run.signals[2][1].set_result(b"5")
        with pytest.raises(InputError, match="signal 'approve'"):
            await wrong


@on_loop
async def test_waiting_for_a_signal_gives_up_in_time() -> None:
    """A timeout cancels the wait, so that a later signal goes to somebody else."""
    with inside_workflow() as run:
        with pytest.raises(TimeoutError):
            await wait_for_signal("approve", timeout=0)
        assert run.signals[0][1].cancelled()
        with pytest.raises(DefinitionError):
            await wait_for_signal("approve", timeout="soon")


@on_loop
async def test_waiting_for_a_handled_signal_is_refused() -> None:
    """A handler takes all signals of its name: the wait would never end."""

    @signal
    def approve(self: Any, by: str) -> None: ...

    with inside_workflow(), pytest.raises(DefinitionError, match="never end"):
        await wait_for_signal(approve)  # type: ignore[call-overload]


@on_loop
async def test_waiting_for_a_signal_outside_a_workflow_is_refused() -> None:
    """The remedy is to signal the run."""
    with pytest.raises(OutsideWorkflowError, match=r"handle\.signal"):
        await wait_for_signal("approve")


def test_task_code_knows_its_attempt_and_reports_progress() -> None:
    """task_info and heartbeat are the running attempt's."""
    attempt = LocalTask("fetch")
    token = current_task.set(attempt)
    try:
        assert task_info() is attempt.info
        heartbeat([1, 2])
        assert attempt.progress == [1, 2]
    finally:
        current_task.reset(token)


@pytest.mark.parametrize("call", [task_info, heartbeat])
def test_outside_a_task_there_is_no_attempt(call) -> None:
    """The remedy depends on where the call was made."""
    with pytest.raises(OutsideWorkflowError, match="outside a task") as caught:
        call()
    assert ".local" in caught.value.remedy
    with inside_workflow(), pytest.raises(OutsideWorkflowError, match="workflow code"):
        call()
