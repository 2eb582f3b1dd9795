"""Workflow code of today against a history of yesterday.

Owns: `WorkflowReplayer`, and what a history's end says of a run.
Must not know: where histories come from, how a result is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from holdfast.authoring import DeterminismGuard, WorkflowDefinition, definition_of
from holdfast.engine import (
    CLOSING_COMMANDS,
    Difference,
    Execution,
    Issued,
    decision_of,
    describe_decision,
    identity_of,
    recover,
)
from holdfast.errors import DivergenceError, InputError
from holdfast.history import (
    AnyEvent,
    Failure,
    History,
    WorkflowCancelled,
    WorkflowCompleted,
    WorkflowFailed,
    WorkflowTerminated,
)
from holdfast.ports.operations import CANCELLED, COMPLETED, FAILED, RUNNING, TERMINATED
from holdfast.replay.result import DIVERGED, Divergence, ReplayResult, Row, Side, Verdict

RECORDED: Final = "recorded"


class WorkflowReplayer:
    """Replays histories against one workflow, without a store, a clock or a network.

    ```python
    result = WorkflowReplayer(ReviewBatch).replay(load_history("prod_failure_log.json"))
    assert result.status == "COMPLETED"
    ```
    """

    def __init__(self, workflow: Any, *, tasks: str = RECORDED) -> None:
        """Replay against a workflow.

        Args:
            workflow: a class or function with `@workflow`.
            tasks: `"recorded"`: tasks answer from history, nothing is run and time is virtual.

        Raises:
            DefinitionError: it is no workflow, or there is no such way to answer for tasks.
        """
        self.definition: WorkflowDefinition[Any, Any] = definition_of(workflow)
        self._guard = DeterminismGuard()
        self.tasks = tasks

    def replay(self, history: History) -> ReplayResult:
        """Run the workflow's code against a history and say what came of it.

        Works the same where an event loop is running.

        Raises:
            HistoryError: no execution can have written this history.
        """
        execution = Execution(self.definition, self._guard, history.open_fan_out)
        try:
            tail = recover(execution, history.events)
        except DivergenceError:
            return self._diverged(history)
        else:
            return self._agreed(history, execution, tail)
        finally:
            execution.evict()

    def _agreed(self, history: History, execution: Execution, tail: Sequence[Issued]) -> ReplayResult:
        events = history.events
        closing = next((decision_of(each, 0.0) for each in tail if isinstance(each.command, CLOSING_COMMANDS)), None)
        end = End(events[-1]) if closing is None else End(closing)
        return self._result(
            history,
            end,
            Verdict.COMPATIBLE_NEW_TAIL if tail else Verdict.IDENTICAL,
            rows=[Row(None, None, side_of(each)) for each in tail],
            waits_for=execution.idle_steps if end.status == RUNNING else (),
            warnings=tuple(execution.warnings),
        )

    def _diverged(self, history: History) -> ReplayResult:
        execution = Execution(self.definition, self._guard, history.open_fan_out, trace=True)
        try:
            recover(execution, history.events)
        except DivergenceError as error:
            found = Divergence(
                Difference(error.kind),
                error.event_id,
                Side("", error.recorded),
                Side("", error.attempted, error.where),
            )
        else:
            raise AssertionError("two replays of one history came to different ends")
        finally:
            execution.evict()
        row = Row(found.event_id, found.recorded, found.attempted, found.kind)
        return self._result(history, None, Verdict.DIVERGED, divergences=[found], rows=[row])

    def _result(self, history: History, end: End | None, verdict: Verdict, **more: Any) -> ReplayResult:
        started = history.started
        recorded = End(history.events[-1])
        return ReplayResult(
            run_id=started.run_id,
            execution=started.execution,
            workflow=started.workflow,
            status=DIVERGED if end is None else end.status,
            verdict=verdict,
            recorded_status=recorded.status,
            matches_production=end is not None and end.is_like(recorded),
            output=None if end is None else self._output(end),
            failure=None if end is None else end.failure,
            events=len(history.events),
            **more,
        )

    def _output(self, end: End) -> Any:
        if end.result is None:
            return None
        try:
            return self.definition.decode_result(end.result)
        except InputError:  # the workflow declares another type than it returns
            return None


class End:
    """How a run ended, or that it has not."""

    def __init__(self, event: AnyEvent) -> None:
        """Read it off the last event of a history."""
        self.status = RUNNING
        self.result: bytes | None = None
        self.failure: Failure | None = None
        match event:
            case WorkflowCompleted():
                self.status = COMPLETED
                assert isinstance(event.result, bytes)
                self.result = event.result
            case WorkflowFailed():
                self.status = FAILED
                self.failure = event.failure
            case WorkflowCancelled():
                self.status = CANCELLED
            case WorkflowTerminated():
                self.status = TERMINATED
            case _:
                pass

    def is_like(self, other: End) -> bool:
        """Say whether both ended alike: messages and tracebacks of failures may differ, their class may not."""
        mine = self.failure.type if self.failure else None
        others = other.failure.type if other.failure else None
        return (self.status, self.result, mine) == (other.status, other.result, others)


def side_of(issued: Issued) -> Side:
    """Return what the code attempts, as one side of a comparison."""
    decision = decision_of(issued, 0.0)
    return Side(identity_of(decision), describe_decision(decision), issued.where)
