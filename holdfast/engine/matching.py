"""Recorded decisions against what the code asks for now.

Owns: the comparison, and the name of each kind of difference.
Must not know: how the difference is shown or what is done about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec

from holdfast.engine.decisions import Issued, decision_of
from holdfast.history import (
    AttributesSet,
    ChildScheduled,
    DecisionEvent,
    FanOutStarted,
    LockRequested,
    MessageSent,
    PatchMarked,
    RunParked,
    TaskScheduled,
    TimerStarted,
    UpdateCompleted,
    WorkflowCancelled,
    WorkflowCompleted,
    WorkflowContinued,
    WorkflowFailed,
)


class Difference(StrEnum):
    """How the code departed from its history."""

    INSERTED = "INSERTED"
    REMOVED = "REMOVED"
    RENAMED = "RENAMED"
    REORDERED = "REORDERED"
    INPUT_CHANGED = "INPUT_CHANGED"
    DURATION_CHANGED = "DURATION_CHANGED"
    RESULT_CHANGED = "RESULT_CHANGED"


ENDS: Final = (WorkflowCompleted, WorkflowFailed, WorkflowCancelled, WorkflowContinued)
"""Decisions that end a run."""
_INPUT_FIELDS: Final = {"input", "digest", "count", "run_id", "parent_close", "attributes"}
_DURATION_FIELDS: Final = {"seconds", "due"}
_RESULT_FIELDS: Final = {"result", "failure", "reason"}
_FREE_FIELDS: Final = {"time", "pool"}
"""May change between versions of the code without changing what the run did."""
_PLACE_FIELDS: Final = {"cause", "ordinal", "step", "due"}
_BY_FIELDS: Final = (
    (_DURATION_FIELDS, Difference.DURATION_CHANGED),
    (_INPUT_FIELDS, Difference.INPUT_CHANGED),
    (_RESULT_FIELDS, Difference.RESULT_CHANGED),
)


def decide_match(recorded: DecisionEvent, issued: Issued | None, *, elsewhere: bool = False) -> Difference | None:
    """Return how `issued` differs from the decision recorded in its place, None when it does not.

    Args:
        recorded: a decision in history.
        issued: what the code issued at the same cause and ordinal; None for nothing.
        elsewhere: the code has issued what is recorded, at another place.
    """
    if issued is None:
        return Difference.REORDERED if elsewhere else Difference.REMOVED
    attempted = decision_of(issued, recorded.time)
    if attempted == recorded:
        return None
    if type(attempted) is not type(recorded):
        if isinstance(recorded, ENDS) and isinstance(attempted, ENDS):
            return Difference.RESULT_CHANGED
        return Difference.REORDERED if elsewhere else Difference.RENAMED
    changed = {
        name
        for name in recorded.__struct_fields__
        if name not in _FREE_FIELDS and getattr(recorded, name) != getattr(attempted, name)
    }
    if isinstance(recorded, WorkflowFailed) and isinstance(attempted, WorkflowFailed):
        # Messages and tracebacks name lines, which every edit moves.
        changed = {"failure"} if recorded.failure.type != attempted.failure.type else set()
    if isinstance(recorded, UpdateCompleted) and isinstance(attempted, UpdateCompleted):
        before, after = recorded.failure, attempted.failure
        if before is not None and after is not None and before.type == after.type:
            changed.discard("failure")
    if isinstance(recorded, RunParked):
        changed.discard("reason")  # it is for people
    if not getattr(recorded, "digest", True):
        changed.discard("digest")  # not known: the items had secrets, and this is a capture
    if not changed:
        return None
    if changed & {"step", "task", "name", "update_id"}:
        return Difference.REORDERED if elsewhere else Difference.RENAMED
    for fields, difference in _BY_FIELDS:
        if changed & fields:
            return difference
    return Difference.RENAMED


def decide_difference(
    recorded: DecisionEvent,
    issued: Issued | None,
    recorded_later: Sequence[DecisionEvent],
    attempted_later: Sequence[DecisionEvent],
) -> Difference:
    """Return how the code departed from its history, at the first place where the two differ.

    A numbered step is known by what it does, not by its number: inserting one call moves the numbers of all after it.

    Args:
        recorded: the decision recorded at that place.
        issued: what the code issued there; None for nothing.
        recorded_later: what else history has after that place.
        attempted_later: what else the code has issued after that place.
    """
    wanted = [content_of(each) for each in recorded_later]
    attempted = [content_of(each) for each in attempted_later]
    content = content_of(recorded)
    is_later = attempted.count(content) > wanted.count(content)
    if issued is None:
        return Difference.REORDERED if is_later else Difference.REMOVED
    attempted_here = decision_of(issued, recorded.time)
    content = content_of(attempted_here)
    was_later = wanted.count(content) > attempted.count(content)
    if is_later != was_later:
        return Difference.INSERTED if is_later else Difference.REMOVED
    if is_later:
        return Difference.REORDERED
    if isinstance(recorded, ENDS) is not isinstance(attempted_here, ENDS):
        return Difference.INSERTED if isinstance(recorded, ENDS) else Difference.REMOVED
    return decide_match(recorded, issued) or Difference.RENAMED


def decide_change(recorded: DecisionEvent, attempted: DecisionEvent) -> Difference | None:
    """Return how one decision became another, None when both ask for the same, whatever their place and number."""
    if type(attempted) is not type(recorded):
        both_end = isinstance(recorded, ENDS) and isinstance(attempted, ENDS)
        return Difference.RESULT_CHANGED if both_end else Difference.RENAMED
    if _name_of(recorded) != _name_of(attempted):
        return Difference.RENAMED
    changed = {
        name
        for name in recorded.__struct_fields__
        if name not in _FREE_FIELDS | _PLACE_FIELDS and getattr(recorded, name) != getattr(attempted, name)
    }
    if "run_id" in changed and _given_id(recorded) == _given_id(attempted):
        changed.discard("run_id")
    if "failure" in changed and _failure_type(recorded) == _failure_type(attempted):
        changed.discard("failure")
    if not getattr(recorded, "digest", True):
        changed.discard("digest")
    for fields, difference in _BY_FIELDS:
        if changed & fields:
            return difference
    return Difference.INPUT_CHANGED if changed else None


def content_of(decision: DecisionEvent) -> tuple[Any, ...]:
    """Return what a decision does, without its place and its number: decisions of one content are interchangeable."""
    kind = type(decision)
    match decision:
        case UpdateCompleted():
            return kind, decision.update_id
        case PatchMarked():
            return kind, decision.patch_id
        case WorkflowCompleted() | WorkflowFailed() | WorkflowCancelled() | WorkflowContinued():
            return (kind,)
        case _:
            values = (
                _given_id(decision) if name == "run_id" else getattr(decision, name)
                for name in decision.__struct_fields__
                if name not in _FREE_FIELDS | _PLACE_FIELDS
            )
            return kind, _name_of(decision), *values


def _name_of(decision: DecisionEvent) -> str:
    """Return a step's name without its number; a key is part of the name."""
    step: str = getattr(decision, "step", "")
    return step if step.endswith("]") else step.rpartition("#")[0]


def _given_id(decision: Any) -> str:
    """Return the run id that the code gave; one that was made of the step's number says nothing of its own."""
    run_id: str = decision.run_id
    return "" if run_id.endswith(f":{decision.step}") else run_id


def _failure_type(decision: Any) -> str | None:
    failure = decision.failure
    return None if failure is None else failure.type


def identity_of(decision: DecisionEvent) -> str:
    """Return which step a decision is about, or how it ends the run."""
    match decision:
        case WorkflowCompleted():
            return "result"
        case WorkflowFailed():
            return "failure"
        case WorkflowCancelled():
            return "cancellation"
        case WorkflowContinued():
            return "continuation"
        case UpdateCompleted():
            return f"answer {decision.update_id}"
        case PatchMarked():
            return f"patch {decision.patch_id}"
        case AttributesSet():
            return "attributes"
        case _:
            return decision.step


def describe_decision(decision: DecisionEvent) -> str:
    """Return a decision in a few words, for a person."""
    match decision:
        case TaskScheduled():
            return f"task {decision.step} (input {_clip(decision.input)})"
        case TimerStarted():
            return f"timer {decision.step} ({decision.seconds:g} s)"
        case FanOutStarted():
            return f"map {decision.step} of {decision.task} ({decision.count} items, {decision.digest.hex()[:8]})"
        case RunParked():
            return f"{decision.step} ({decision.reason[:80]})"
        case PatchMarked():
            return f"the changed side of patched({decision.patch_id!r})"
        case LockRequested():
            return f"{decision.step} ({decision.slots} slots)"
        case ChildScheduled():
            given = f", id {given_id}" if (given_id := _given_id(decision)) else ""
            close = f", {decision.parent_close} at the end" if decision.parent_close != "terminate" else ""
            return f"child {decision.step} (input {_clip(decision.input)}{given}{close})"
        case MessageSent():
            return f"{decision.step} to run {decision.run_id} (input {_clip(decision.input)})"
        case AttributesSet():
            changes = (f"{name}={text}" if text else f"no {name}" for name, text in decision.attributes.items())
            return f"attributes {_clip(', '.join(changes))}"
        case WorkflowContinued():
            return f"continue as new (input {_clip(decision.input)})"
        case WorkflowCompleted():
            return f"result {_clip(decision.result)}"
        case WorkflowFailed():
            return f"failure {decision.failure.type}: {decision.failure.message[:80]}"
        case _:
            fields = msgspec.structs.asdict(decision)
            name = fields.get("step") or fields.get("update_id") or fields.get("reason") or ""
            return f"{type(decision).__name__} {name}".rstrip()


def _clip(payload: Any) -> str:
    text = payload.decode("utf-8", "replace") if isinstance(payload, bytes) else str(payload)
    return text if len(text) <= 60 else f"{text[:57]}..."
