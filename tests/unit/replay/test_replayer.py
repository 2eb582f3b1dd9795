"""Code against histories: verdicts, statuses, and both sides of a divergence."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.errors import DefinitionError, HistoryError
from holdfast.history import WorkflowTerminated
from holdfast.replay import History, Verdict, WorkflowReplayer
from tests.rehearsal import START
from tests.unit.replay.rig import history_of, perform
from tests.unit.replay.works import doomed, going_on, restless, steady


@pytest.fixture
def anyio_backend() -> str:
    """Run coroutine tests on asyncio."""
    return "asyncio"


def test_the_same_code_repeats_a_completed_run() -> None:
    """Status, result and verdict are production's, and there is no difference to show."""
    result = WorkflowReplayer(steady).replay(history_of(perform(steady, 3)))
    assert (result.status, result.verdict, result.output) == ("COMPLETED", Verdict.IDENTICAL, [0, 1, 2])
    assert result.matches_production
    assert (result.divergences, result.diff(), result.ran) == ((), "", ())
    assert (result.run_id, result.workflow, result.events) == ("run-1", "steady", 12)


def test_a_failed_run_fails_again() -> None:
    """With the class of failure it had in production."""
    result = WorkflowReplayer(doomed).replay(history_of(perform(doomed, 0)))
    assert (result.status, result.verdict, result.matches_production) == ("FAILED", Verdict.IDENTICAL, True)
    assert result.failure is not None
    assert result.failure.type == "ZeroDivisionError"
    assert result.output is None


def test_an_open_run_waits_where_it_waited() -> None:
    """Its history has no end, and neither has its replay."""
    open_run = perform(steady, 3, until=lambda rehearsal: "sleep#1" in rehearsal.execution.open)
    result = WorkflowReplayer(steady).replay(history_of(open_run))
    assert (result.status, result.verdict, result.recorded_status) == ("RUNNING", Verdict.IDENTICAL, "RUNNING")
    assert result.waits_for == ("sleep#1",)
    assert result.matches_production


def test_code_that_goes_on_beyond_a_history_has_a_new_tail() -> None:
    """What it asks for there is shown."""
    open_run = perform(steady, 2, until=lambda rehearsal: "sleep#1" in rehearsal.execution.open)
    events = open_run.history[:-1]  # as if the process had died before it wrote that it sleeps
    result = WorkflowReplayer(going_on).replay(History(events))
    assert (result.status, result.verdict, result.waits_for) == ("RUNNING", Verdict.COMPATIBLE_NEW_TAIL, ("fetch#3",))
    assert "task fetch#3 (input 2)" in result.diff()


def test_a_terminated_run_ends_terminated() -> None:
    """No code decided that, and none is asked."""
    open_run = perform(steady, 1, until=lambda rehearsal: "sleep#1" in rehearsal.execution.open)
    history = History([*open_run.history, WorkflowTerminated(START, "because")])
    result = WorkflowReplayer(steady).replay(history)
    assert (result.status, result.verdict, result.matches_production) == ("TERMINATED", Verdict.IDENTICAL, True)


def test_a_divergence_shows_both_sides() -> None:
    """Recorded and attempted, the kind of difference, and the line."""
    result = WorkflowReplayer(restless).replay(history_of(perform(steady, 2)))
    assert (result.status, result.verdict, result.matches_production) == ("DIVERGED", Verdict.DIVERGED, False)
    (found,) = result.divergences
    assert found.kind == "DURATION_CHANGED"
    assert found.recorded.words == "timer sleep#1 (60 s)"
    assert found.attempted.words == "timer sleep#1 (90 s)"
    assert found.attempted.where.endswith(", in restless")
    assert "timer sleep#1 (60 s)" in result.diff()
    assert found.attempted.where in result.diff()


@pytest.mark.anyio
async def test_it_works_inside_a_running_loop() -> None:
    """A replay is no coroutine, and leaves the loop it is called from as it was."""
    loop = asyncio.get_running_loop()
    result = WorkflowReplayer(steady).replay(history_of(perform(steady, 1)))
    assert result.status == "COMPLETED"
    assert asyncio.get_running_loop() is loop


def test_a_damaged_history_is_an_error() -> None:
    """No change of code explains it."""
    events = perform(steady, 2).history
    with pytest.raises(HistoryError, match="event 2"):
        WorkflowReplayer(steady).replay(History([events[0], *events[2:]]))


def test_code_of_another_workflow_is_warned_of() -> None:
    """It may be meant, such as a renamed class; mostly it is a slip, and explains all that follows."""
    result = WorkflowReplayer(doomed).replay(history_of(perform(steady, 1)))
    assert result.warnings[0] == "the history is of workflow 'steady', and the code of 'doomed'"
    assert WorkflowReplayer(steady).replay(history_of(perform(steady, 1))).warnings == ()


def test_only_workflows_are_replayed() -> None:
    """A plain function is told what it lacks."""
    with pytest.raises(DefinitionError, match="is no workflow"):
        WorkflowReplayer(print)
