"""Updates, as Temporal's.

Owns: what is written of them.
Must not know: workflow tasks, other kinds of events.
"""

from __future__ import annotations

from typing import Any, Final

from holdfast.history.events import UpdateAccepted, UpdateCompleted
from holdfast.history.temporal.failures import write_failure
from holdfast.history.temporal.payloads import write_arguments, write_result
from holdfast.history.temporal.writing.sheet import IDENTITY, Sheet, Writes, inside


def come(_: Sheet, __: UpdateAccepted) -> None:
    """Write nothing yet: Temporal records an update behind the task that accepted it."""


def accept(sheet: Sheet, event: UpdateAccepted, sequencing: int) -> None:
    """Write an update behind the workflow task that was asked for at event `sequencing`."""
    sheet.accepted[event.update_id] = sheet.add(
        "WorkflowExecutionUpdateAccepted",
        event.time,
        protocolInstanceId=event.update_id,
        acceptedRequestMessageId=f"{event.update_id}/request",
        acceptedRequestSequencingEventId=str(sequencing),
        acceptedRequest={
            "meta": {"updateId": event.update_id, "identity": IDENTITY},
            "input": {"name": event.name, "args": write_arguments(inside(event.input))},
        },
    )


def answer(sheet: Sheet, event: UpdateCompleted) -> None:
    """Write an update's answer."""
    accepted = sheet.accepted.pop(event.update_id, 0)
    if event.failure is not None:
        outcome: dict[str, Any] = {"failure": write_failure(event.failure)}
    else:
        outcome = {"success": write_result(inside(event.result))}
    sheet.add(
        "WorkflowExecutionUpdateCompleted",
        event.time,
        meta={"updateId": event.update_id, "identity": IDENTITY},
        acceptedEventId=str(accepted),
        outcome=outcome,
    )


INPUTS: Final[Writes] = {UpdateAccepted: come}
DECISIONS: Final[Writes] = {UpdateCompleted: answer}
