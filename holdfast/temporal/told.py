"""How it is known again that a run was told something, when it is told the same a second time.

Owns: where the id of an operation stands in each kind of event.
Must not know: how histories are fetched, what is done about it.

Temporal keeps request ids while an execution is open. What is to be known afterwards has to stand in its history: a
signal has a header, a termination has details, and a cancellation has nothing but who asked for it.
"""

from __future__ import annotations

import msgspec
from temporalio.api.common.v1 import Payloads
from temporalio.api.history.v1 import HistoryEvent

from holdfast.temporal.own import TOLD, write_told
from holdfast.temporal.payloads import read_payload, write_payloads


def write_mark(operation_id: str) -> Payloads:
    """Return the details of a termination."""
    return write_payloads(msgspec.json.encode({TOLD: operation_id}))


def identity_with(identity: str, operation_id: str) -> str:
    """Return as whom a cancellation is asked for: who it is, and for what."""
    return f"{identity} [{operation_id}]"


def is_told(event: HistoryEvent, operation_id: str) -> bool:
    """Say whether an event is that of an operation."""
    match event.WhichOneof("attributes"):
        case "workflow_execution_signaled_event_attributes":
            fields = event.workflow_execution_signaled_event_attributes.header.fields
            return TOLD in fields and fields[TOLD].data == write_told(operation_id)[TOLD].data
        case "workflow_execution_cancel_requested_event_attributes":
            return event.workflow_execution_cancel_requested_event_attributes.identity.endswith(f" [{operation_id}]")
        case "workflow_execution_terminated_event_attributes":
            payloads = event.workflow_execution_terminated_event_attributes.details.payloads
            return bool(payloads) and read_payload(payloads[0]) == read_payload(write_mark(operation_id).payloads[0])
        case _:
            return False
