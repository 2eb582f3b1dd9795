"""What tests of the replayer share: workflows recorded by hand, as a file would give them.

Owns: letting a workflow have every outcome it asks for, and the way through a file.
Must not know: what is checked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from holdfast.engine import State
from holdfast.history import Failure, History, ItemOutcome, StartChild, TaskCompleted, to_json
from holdfast.replay import load_history
from tests.rehearsal import Outcomes, Rehearsal, as_json


def perform(
    workflow: Any,
    input: Any = None,
    *,
    answers: Mapping[str, Any] | None = None,
    until: Callable[[Rehearsal], bool] = lambda _: False,
    before: Callable[[Rehearsal], Any] = lambda _: None,
) -> Rehearsal:
    """Let a run have every outcome it asks for, in order of asking, until it ends, waits for a message, or `until`.

    Args:
        workflow: a definition or a Program.
        input: what it is started with.
        answers: what tasks answer, by step or by name, or how they fail; their own input where nothing is said.
        until: ends the performance early.
        before: is called before each outcome, to send messages.
    """
    rehearsal = Rehearsal(workflow)
    rehearsal.begin(input)
    answers = answers or {}
    while not rehearsal.execution.closed and not until(rehearsal):
        before(rehearsal)
        if rehearsal.execution.closed or not rehearsal.execution.open:
            break
        step, future = next(iter(rehearsal.execution.open.items()))
        rehearsal.time += 1
        match step.partition("#")[0].partition("[")[0].partition("(")[0]:
            case "sleep":
                rehearsal.fire(step)
            case "lock":
                rehearsal.grant(step)
            case "map":
                rehearsal.fan_out(step, [(True, 1)] * len(future.command.items))
            case _ if isinstance(future.command, StartChild) and future.state is not State.STARTED:
                rehearsal.start_child(step)
            case name:
                answer = answers.get(step, answers.get(name))
                if isinstance(answer, BaseException) and isinstance(future.command, StartChild):
                    rehearsal.fail_child(step, "FAILED", type(answer).__name__, str(answer))
                elif isinstance(answer, BaseException):
                    rehearsal.fail(step, type(answer).__name__, str(answer))
                elif isinstance(future.command, StartChild):
                    rehearsal.complete_child(step, json.loads(future.command.input) if answer is None else answer)
                elif answer is None:
                    rehearsal.page(TaskCompleted(rehearsal.time, 0, step, future.command.input))
                else:
                    rehearsal.page(TaskCompleted(rehearsal.time, 0, step, as_json(answer)))
    if rehearsal.execution.closed:
        rehearsal.close()
    else:
        rehearsal.write()
    rehearsal.end()
    return rehearsal


def file_of(rehearsal: Rehearsal) -> bytes:
    """Return a performance as the content of a file."""
    return to_json(rehearsal.history, outcomes={step: _bodies(each) for step, each in rehearsal.outcomes.items()})


def history_of(rehearsal: Rehearsal) -> History:
    """Return a performance as it is read from a file."""
    return load_history(file_of(rehearsal))


def _bodies(outcomes: Outcomes) -> list[ItemOutcome]:
    return [body if ok else msgspec.msgpack.decode(body, type=Failure) for ok, body in outcomes.items]
