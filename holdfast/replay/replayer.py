"""Workflow code of today against a history of yesterday.

Owns: `WorkflowReplayer`, and what a history's end says of a run.
Must not know: where histories come from, how a result is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any, Final, Literal, TypeAlias

from holdfast.authoring import DeterminismGuard, Module, WorkflowDefinition, definition_of
from holdfast.engine import (
    CLOSING_COMMANDS,
    Difference,
    Issued,
    OpenFanOut,
    decision_of,
)
from holdfast.errors import DefinitionError, DivergenceError, HistoryError, HoldfastError, InputError
from holdfast.history import (
    AnyEvent,
    Failure,
    History,
    SignalReceived,
    WorkflowCancelled,
    WorkflowCompleted,
    WorkflowContinued,
    WorkflowFailed,
    WorkflowTerminated,
    WorkflowTimedOut,
)
from holdfast.ports.operations import (
    CANCELLED,
    COMPLETED,
    CONTINUED_AS_NEW,
    FAILED,
    RUNNING,
    TERMINATED,
    TIMED_OUT,
)
from holdfast.replay.crew import Crew, Stubs, TodaysCode, beside_any_loop
from holdfast.replay.exploration import explain
from holdfast.replay.family import Family
from holdfast.replay.foreign import (
    WatchedBatches,
    error_in_numbers_of_the_file,
    in_numbers_of_the_file,
    with_argument_names,
)
from holdfast.replay.rerun import Raise, Rerun
from holdfast.replay.result import DIVERGED, Divergence, ReplayResult, Row, Side, Verdict
from holdfast.replay.retracing import retrace
from holdfast.replay.tasks import KnownTasks
from holdfast.replay.watched import COMMANDS_BEYOND_MAX, WatchedExecution
from holdfast.replay.words import side_of

RECORDED: Final = "recorded"
RERUN_FAILED: Final = "rerun-failed"

Tasks: TypeAlias = Literal["recorded", "rerun-failed"] | Mapping[str, Callable[..., Any]]
"""Who answers for tasks in a replay."""


class WorkflowReplayer:
    """Replays histories against one workflow, without a store, a clock or a network.

    ```python
    result = WorkflowReplayer(ReviewBatch).replay(load_history("prod_failure_log.json"))
    assert result.status == "COMPLETED"
    ```
    """

    def __init__(self, workflow: Any, *, tasks: Tasks = RECORDED, modules: Iterable[Module] = ()) -> None:
        """Replay against a workflow.

        Args:
            workflow: a class or function with `@workflow`.
            tasks: who answers for tasks.
                `"recorded"`: history; nothing is run and time is virtual.
                `"rerun-failed"`: history up to the first final failure, which is run again with today's code; after
                that what completed answers from history, to the same step with the same input, and everything else
                is run. Time is virtual, messages come at their old place. A child without a record is run in virtual
                time too, when its workflow is found. Calls of `holdfast.http` that are recorded are answered from the
                recording, and others are made.
                `{"charge": stub}`: the same, with a stub in the place of each task that is named, from its first
                outcome on; other tasks answer from history alone.
            modules: where tasks and workflows of children are defined that are to be run and that the workflow's own
                module does not show.

        Raises:
            DefinitionError: it is no workflow, there is no such way to answer for tasks, or a stub cannot be called.
        """
        self.definition: WorkflowDefinition[Any, Any] = definition_of(workflow)
        if not isinstance(tasks, Mapping) and tasks not in (RECORDED, RERUN_FAILED):
            raise DefinitionError(
                f"tasks={tasks!r} is no way to answer for tasks",
                remedy='Use tasks="recorded", tasks="rerun-failed", or {"task name": function}.',
            )
        self.tasks: Tasks = tasks
        self._guard = DeterminismGuard()
        self._modules = tuple(modules)

    def replay(self, history: History) -> ReplayResult:
        """Run the workflow's code against a history and say what came of it.

        Works the same where an event loop is running.

        Raises:
            HistoryError: no execution can have written this history.
            UnknownNameError: a task is to be run whose code was not found.
        """
        history = with_argument_names(history, self.definition)
        try:
            replayed = (
                self._replay(history) if self.tasks == RECORDED else beside_any_loop(partial(self._rerun, history))
            )
        except HistoryError as error:
            raise error_in_numbers_of_the_file(error, history) from error.__cause__
        return in_numbers_of_the_file(replayed, history)

    def _replay(self, history: History) -> ReplayResult:
        execution = self._execution(history, history.open_fan_out)
        try:
            tail = retrace(execution, history)
        except DivergenceError as error:
            return self._diverged(history, execution, error)
        else:
            return self._agreed(history, execution, tail)
        finally:
            execution.evict()

    def _rerun(self, history: History) -> ReplayResult:
        known = KnownTasks(self.definition, self._modules)
        with closing(self._crew(known, history)) as crew:
            family = Family(known, self._guard, crew)
            rerun = self._rerun_of(history, crew, family.raise_child)
            if rerun.is_strict:
                return self._replay(history)
            execution = self._execution(history, rerun.course.open_fan_out, trace=True, length=rerun.starts_after)
            try:
                tail = retrace(execution, history, rerun.starts_after)
                rerun.go_on(execution, tail)
            except DivergenceError as error:
                return self._diverged(history, execution, error)
            else:
                return self._gone_on(history, execution, rerun, crew, family.warnings)
            finally:
                execution.evict()

    def _crew(self, known: KnownTasks, history: History) -> Stubs | TodaysCode:
        return Stubs(self.tasks, known) if isinstance(self.tasks, Mapping) else TodaysCode(known, history.exchanges)

    def _rerun_of(self, history: History, crew: Crew, raise_child: Raise) -> Rerun:
        return Rerun(history, crew, raise_child)

    def _gone_on(
        self, history: History, execution: WatchedExecution, rerun: Rerun, crew: Crew, warnings: Sequence[str]
    ) -> ReplayResult:
        end = End(rerun.end)
        return self._result(
            history,
            end,
            Verdict.IDENTICAL if rerun.repeats else Verdict.COMPATIBLE_NEW_TAIL,
            rows=tuple(rerun.rows),
            waits_for=execution.idle_steps if end.status == RUNNING else (),
            ran=tuple(crew.ran),
            leftover=tuple(rerun.leftover),
            warnings=(*execution.warnings, *rerun.warnings, *warnings),
        )

    def _execution(
        self, history: History, open_fan_out: OpenFanOut, *, trace: bool = False, length: int | None = None
    ) -> WatchedExecution:
        limit = len(history.events) + COMMANDS_BEYOND_MAX
        if not history.drains:
            return WatchedExecution(self.definition, self._guard, open_fan_out, commands_max=limit, trace=trace)
        batched = WatchedBatches(self.definition, self._guard, open_fan_out, commands_max=limit, trace=trace)
        batched.follow(history.events[:length], history.drains, history.singly)
        return batched

    def _agreed(self, history: History, execution: WatchedExecution, tail: Sequence[Issued]) -> ReplayResult:
        closing = next((decision_of(each, 0.0) for each in tail if isinstance(each.command, CLOSING_COMMANDS)), None)
        end = End(history.events[-1] if closing is None else closing)
        verdict = Verdict.COMPATIBLE_NEW_TAIL if tail else Verdict.IDENTICAL
        # The sender of a message was told that it fits, so it did: code of today would drop it without a word.
        dropped = [each for each in execution.problems if isinstance(history.events[each.event_id - 1], SignalReceived)]
        return self._result(
            history,
            end,
            Verdict.PAYLOAD_INCOMPATIBLE if dropped else verdict,
            payload_problems=tuple(dropped),
            rows=tuple(Row(None, None, side_of(decision_of(each, 0.0), each.where)) for each in tail),
            waits_for=execution.idle_steps if end.status == RUNNING else (),
            warnings=tuple(execution.warnings),
        )

    def _diverged(self, history: History, execution: WatchedExecution, error: DivergenceError) -> ReplayResult:
        problems = tuple(each for each in execution.problems if each.event_id <= error.event_id)
        if not problems and history.drains:
            return self._diverged_elsewhere(history)
        if not problems:
            found = explain(self.definition, self._guard, history, error)
            return self._result(history, None, Verdict.DIVERGED, divergences=found.divergences, rows=found.rows)
        # What the code does with a value that it cannot read says nothing about what was changed in it.
        return self._result(history, None, Verdict.PAYLOAD_INCOMPATIBLE, payload_problems=problems)

    def _diverged_elsewhere(self, history: History) -> ReplayResult:
        """Tell the first divergence: what follows it in drains of another engine, no course of ours would find."""
        execution = self._execution(history, history.open_fan_out, trace=True)
        try:
            retrace(execution, history)
        except DivergenceError as error:
            found = self._explained_elsewhere(history, error)
        else:
            raise AssertionError("two replays of one history came to different ends")
        finally:
            execution.evict()
        row = Row(found.event_id, found.recorded, found.attempted, found.kind)
        return self._result(history, None, Verdict.DIVERGED, divergences=(found,), rows=(row,))

    def _explained_elsewhere(self, history: History, error: DivergenceError) -> Divergence:
        """Say how the code departs first; told as for drains of ours, where those lead to the same line."""
        recorded, attempted = Side("", error.recorded), Side("", error.attempted, error.where)
        plain = Divergence(Difference(error.kind), error.event_id, recorded, attempted)
        try:
            explained = explain(self.definition, self._guard, replace(history, drains=()), error).divergences
        except HoldfastError:
            return plain
        return explained[0] if explained and explained[0].where == error.where else plain

    def _result(self, history: History, end: End | None, verdict: Verdict, **more: Any) -> ReplayResult:
        started = history.started
        recorded = End(history.events[-1])
        if started.workflow != self.definition.name:
            other = f"the history is of workflow {started.workflow!r}, and the code of {self.definition.name!r}"
            more["warnings"] = (other, *more.get("warnings", ()))
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
            engine=history.engine,
            events=len(history.events),
            **more,
        )

    def _output(self, end: End) -> Any:
        if end.result is None or end.status != COMPLETED:
            return None
        try:
            return self.definition.decode_result(end.result)
        except InputError:  # the workflow declares another type than it returns
            return None


class End:
    """How a run ended, or that it has not."""

    def __init__(self, event: AnyEvent | None) -> None:
        """Read it off the last event of a history; None where it has none."""
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
            case WorkflowContinued():
                self.status = CONTINUED_AS_NEW
                assert isinstance(event.input, bytes)
                self.result = event.input  # what it goes on with is what it came to
            case WorkflowTerminated(cancelled=cancelled):
                self.status = CANCELLED if cancelled else TERMINATED
            case WorkflowTimedOut():
                self.status = TIMED_OUT
            case _:
                pass

    def is_like(self, other: End) -> bool:
        """Say whether both ended alike: messages and tracebacks of failures may differ, their class may not."""
        mine = self.failure.type if self.failure else None
        others = other.failure.type if other.failure else None
        return (self.status, self.result, mine) == (other.status, other.result, others)
