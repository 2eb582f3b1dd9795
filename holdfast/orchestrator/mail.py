"""From a message in an execution's inbox to an entry in its history.

Owns: which event each kind of message becomes, and which messages are stale.
Must not know: how messages got into the inbox.
"""

from __future__ import annotations

from typing import Final

import msgspec

from holdfast.engine import Execution
from holdfast.history import (
    CancelRequested,
    Failure,
    FanOutCompleted,
    Input,
    LockGranted,
    ParkRun,
    RunResumed,
    SignalReceived,
    TaskCompleted,
    TaskFailed,
    TaskTimedOut,
    WorkflowTerminated,
)
from holdfast.ports.operations import FanOutSummary, InboxRow

_decode_outcome: Final = msgspec.msgpack.Decoder(TaskCompleted | TaskFailed | TaskTimedOut).decode
_decode_summary: Final = msgspec.msgpack.Decoder(FanOutSummary).decode
_decode_failure: Final = msgspec.msgpack.Decoder(Failure).decode
_decode_token: Final = msgspec.msgpack.Decoder(int).decode


def decide_entry(row: InboxRow, execution: Execution) -> Input | WorkflowTerminated | None:
    """Return the fact that a message becomes; None when it is about something the code no longer waits for."""
    time = row.received_at
    match row.kind:
        case "signal":
            return SignalReceived(time, -1, row.name, row.body, row.operation_id, row.sender)
        case "cancel":
            return CancelRequested(time, -1, row.body.decode("utf-8", "replace"))
        case "terminate":
            return WorkflowTerminated(time, row.body.decode("utf-8", "replace"))
        case "outcome":
            event = _decode_outcome(row.body)
            return event if event.step in execution.open else None
        case "lock":
            return LockGranted(time, -1, row.name, _decode_token(row.body)) if row.name in execution.open else None
        case "fan_out":
            summary = _decode_summary(row.body)
            if summary.step not in execution.open:
                return None
            first = _decode_failure(summary.first_failure) if summary.first_failure else None
            return FanOutCompleted(
                time, -1, summary.step, summary.digest, summary.count, summary.failed, first, summary.first_failed_index
            )
        case "resume":
            parked = next((step for step, each in execution.open.items() if type(each.command) is ParkRun), None)
            return RunResumed(time, -1, parked) if parked is not None else None
        case other:
            raise AssertionError(f"unknown kind of message: {other}")
