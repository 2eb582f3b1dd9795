"""From a message in an execution's inbox to an entry in its history.

Owns: which event each kind of message becomes, and which messages are stale.
Must not know: how messages got into the inbox.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec

from holdfast.errors import HoldfastError
from holdfast.history import (
    CancelRequested,
    ChildCompleted,
    ChildFailed,
    ChildStarted,
    Failure,
    FanOutCompleted,
    Input,
    LockGranted,
    MessageDelivered,
    ParkRun,
    RunResumed,
    SignalReceived,
    TaskCompleted,
    TaskFailed,
    TaskTimedOut,
    WorkflowTerminated,
    decrypted,
    is_encrypted,
)
from holdfast.ports.answers import decode_answer
from holdfast.ports.engine import decode_end
from holdfast.ports.operations import COMPLETED, FanOutSummary, InboxRow

_decode_outcome: Final = msgspec.msgpack.Decoder(TaskCompleted | TaskFailed | TaskTimedOut).decode
_decode_summary: Final = msgspec.msgpack.Decoder(FanOutSummary).decode
_decode_failure: Final = msgspec.msgpack.Decoder(Failure).decode
_decode_token: Final = msgspec.msgpack.Decoder(int).decode

NOT_STARTED: Final = "NOT_STARTED"
"""How a child ended that could not begin: its id belongs to other work."""


class Standing(Protocol):
    """What is under way in an execution."""

    @property
    def open(self) -> Mapping[str, Any]:
        """Steps without an outcome, by name: whatever has the command that each was asked for with."""


def decide_entry(row: InboxRow, execution: Standing) -> Input | WorkflowTerminated | None:
    """Return the fact that a message becomes; None when it is about something the code no longer waits for.

    Raises:
        EncryptionError: it came out of the store undecrypted: there the key is not known.
    """
    time = row.received_at
    body = decrypted(row.body, None, b"", f"a message: {row.kind} {row.name}".rstrip())
    match row.kind:
        case "signal":
            return SignalReceived(time, -1, row.name, body, row.operation_id, row.sender)
        case "cancel":
            return CancelRequested(time, -1, body.decode("utf-8", "replace"))
        case "terminate":
            return WorkflowTerminated(time, body.decode("utf-8", "replace"))
        case "outcome":
            event = _decode_outcome(body)
            return event if event.step in execution.open else None
        case "lock":
            return LockGranted(time, -1, row.name, _decode_token(body)) if row.name in execution.open else None
        case "fan_out":
            summary = _decode_summary(body)
            if summary.step not in execution.open:
                return None
            first = _decode_failure(summary.first_failure) if summary.first_failure else None
            return FanOutCompleted(
                time, -1, summary.step, summary.digest, summary.count, summary.failed, first, summary.first_failed_index
            )
        case "resume":
            parked = next((step for step, each in execution.open.items() if type(each.command) is ParkRun), None)
            return RunResumed(time, -1, parked) if parked is not None else None
        case "child_started" | "child" | "child_refused" | "sent":
            return _decide_answer(row, body) if row.name in execution.open else None
        case other:
            raise AssertionError(f"unknown kind of message: {other}")


def fan_out_in(row: InboxRow) -> str:
    """Return the step of the fan-out that a message says is completed; empty when it says something else."""
    return _decode_summary(row.body).step if row.kind == "fan_out" and not is_encrypted(row.body) else ""


def _decide_answer(row: InboxRow, body: bytes) -> Input:
    """Return the fact that a message about another run becomes."""
    time, step = row.received_at, row.name
    match row.kind:
        case "child_started":
            return ChildStarted(time, -1, step, body.decode())
        case "child_refused":
            what = f"its run id belongs to other work: another {body.decode()}"
            return ChildFailed(time, -1, step, NOT_STARTED, Failure("RunConflictError", what))
        case "child":
            outcome = decode_end(body)
            if outcome.status == COMPLETED:
                assert outcome.result is not None
                return ChildCompleted(time, -1, step, outcome.result)
            return ChildFailed(time, -1, step, outcome.status, outcome.failure or Failure("", outcome.reason))
        case _:
            return MessageDelivered(time, -1, step, _refusal_in(body))


def _refusal_in(answer: bytes) -> Failure | None:
    try:
        decode_answer(answer)
    except HoldfastError as error:
        return Failure(type(error).__name__, error.message().splitlines()[0])
    return None
