"""Children that no history has, run in virtual time on the way of their parent's replay.

Owns: where their code is found, how they begin, go on as new executions, and end.
Must not know: when a parent hears of it; that is its course's.

A child is run to its end as soon as it is asked for, from the time at which its parent stands, and its outcome is of
the time at which it ended. Nobody sends it anything. One that is asked to stop before that time counts as stopped at
once, although its code had gone on.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final

import msgspec

from holdfast.authoring import WorkflowDefinition
from holdfast.engine import CURRENT
from holdfast.history import (
    ChildCompleted,
    ChildFailed,
    Failure,
    History,
    StartChild,
    WorkflowCancelled,
    WorkflowCompleted,
    WorkflowContinued,
    WorkflowFailed,
    WorkflowStarted,
)
from holdfast.ports.operations import CANCELLED, FAILED
from holdfast.ports.program import Guard
from holdfast.replay.crew import Crew
from holdfast.replay.rerun import Rerun
from holdfast.replay.retracing import retrace
from holdfast.replay.tasks import KnownTasks
from holdfast.replay.watched import COMMANDS_BEYOND_MAX, WatchedExecution

GENERATIONS_MAX: Final = 20
"""How deep children of children are run."""
EXECUTIONS_MAX: Final = 1_000
"""As how many executions one child may go on."""


class Family:
    """The children of one replay."""

    def __init__(self, known: KnownTasks, guard: Guard, crew: Crew) -> None:
        """Run children whose workflows are `known`, with tasks done by `crew`."""
        self.warnings: list[str] = []
        """Why children did not get to an end."""
        self._known = known
        self._guard = guard
        self._crew = crew
        self._generation = 0

    def raise_child(
        self, parent: WorkflowStarted, command: StartChild, now: float
    ) -> ChildCompleted | ChildFailed | None:
        """Run a child to its end. See `Raise`."""
        workflow = self._known.find_workflow(command.workflow)
        if workflow is None:
            self.warnings.append(f"child {command.run_id} is not run: no module shows workflow {command.workflow!r}")
            return None
        if self._generation == GENERATIONS_MAX:
            what = f"{GENERATIONS_MAX} generations are under way (GENERATIONS_MAX)"
            self.warnings.append(f"child {command.run_id} is not run: {what}")
            return None
        self._generation += 1
        try:
            return self._live(workflow, _born(parent, command, now), command.step)
        finally:
            self._generation -= 1

    def _live(
        self, workflow: WorkflowDefinition[Any, Any], started: WorkflowStarted, step: str
    ) -> ChildCompleted | ChildFailed | None:
        for number in range(2, EXECUTIONS_MAX + 2):
            rerun, waits_for, attributes = self._run(workflow, started)
            now = rerun.course.now
            match rerun.end:
                case WorkflowCompleted(result=bytes() as result):
                    return ChildCompleted(now, -1, step, result)
                case WorkflowFailed(failure=failure):
                    return ChildFailed(now, -1, step, FAILED, failure)
                case WorkflowCancelled(reason=reason):
                    return ChildFailed(now, -1, step, CANCELLED, Failure("", reason))
                case WorkflowContinued(input=input):
                    name = f"{started.run_id}@{number}"
                    started = msgspec.structs.replace(
                        started,
                        time=now,
                        execution=name,
                        input=input,
                        seed=_seed(name),
                        continued=started.execution,
                        attributes=attributes,
                    )
                case _:
                    waits = ", ".join(waits_for) or "a message"
                    self.warnings.append(f"child {started.run_id} does not end: it waits for {waits}")
                    return None
        self.warnings.append(
            f"child {started.run_id} was broken off after {EXECUTIONS_MAX:,} executions (EXECUTIONS_MAX)"
        )
        return None

    def _run(
        self, workflow: WorkflowDefinition[Any, Any], started: WorkflowStarted
    ) -> tuple[Rerun, tuple[str, ...], dict[str, str]]:
        """Run one execution; return it, what it still waits for, and its attributes."""
        history = History((started,))
        rerun = Rerun(history, self._crew, self.raise_child)
        execution = WatchedExecution(workflow, self._guard, rerun.course.open_fan_out, commands_max=COMMANDS_BEYOND_MAX)
        try:
            rerun.go_on(execution, retrace(execution, history))
            return rerun, tuple(execution.idle_steps), execution.runtime.attributes
        finally:
            execution.evict()
            self.warnings += (f"child {started.run_id}: {each}" for each in rerun.warnings)


def _born(parent: WorkflowStarted, command: StartChild, now: float) -> WorkflowStarted:
    return WorkflowStarted(
        now,
        0,
        command.workflow,
        command.run_id,
        command.run_id,
        command.input,
        _seed(command.run_id),
        int(CURRENT),
        command.code_version,
        parent.python,
        command.memo,
        parent=parent.execution,
        attributes=command.attributes,
    )


def _seed(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big") >> 1
