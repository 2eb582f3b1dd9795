"""Temporal's failures, as ours and back.

Owns: which of Temporal's kinds of failure is which class of exception here.
Must not know: events.

What Temporal wraps around a failed activity is our TaskError, with the failure itself as its cause.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from holdfast.errors import HistoryError
from holdfast.history.failures import Failure
from holdfast.history.temporal.members import Members
from holdfast.history.temporal.payloads import read_arguments

CAUSES_MAX: Final = 64
SOURCE: Final = "holdfast"
TIMEOUTS: Final = {
    "StartToClose": "attempt",
    "ScheduleToStart": "queue",
    "ScheduleToClose": "total",
    "Heartbeat": "heartbeat",
}
"""Our word for each of Temporal's time-outs."""

_CLASSES: Final = {
    "timeoutFailureInfo": "TimeoutError",
    "canceledFailureInfo": "CancelledError",
    "terminatedFailureInfo": "TerminatedError",
    "serverFailureInfo": "ServerError",
    "resetWorkflowFailureInfo": "ResetError",
    "activityFailureInfo": "TaskError",
    "childWorkflowExecutionFailureInfo": "RunFailedError",
}


def read_failure(members: Members, where: str, depth: int = 0) -> Failure:
    """Return a failure of Temporal's as ours.

    Raises:
        HistoryError: it is malformed, or has more than CAUSES_MAX causes.
    """
    if depth > CAUSES_MAX:
        raise HistoryError(f"a failure has more than {CAUSES_MAX} causes (CAUSES_MAX)", where)
    cause = read_failure(members.inner("cause"), where, depth + 1) if "cause" in members else None
    kind, retryable = "Failure", True
    if "applicationFailureInfo" in members:
        info = members.inner("applicationFailureInfo")
        kind = info.text("type") or "ApplicationError"
        retryable = not info.get("nonRetryable")
    else:
        kind = next((name for member, name in _CLASSES.items() if member in members), kind)
        if kind == "TaskError" and cause is not None and cause.type == "TimeoutError":
            kind = "TaskTimeoutError"
    return Failure(kind, members.text("message"), members.text("stackTrace"), retryable, cause)


def read_outcome_failure(members: Members, where: str) -> Failure:
    """Return the failure that code sees of what it has waited for: what Temporal has wrapped around it is left out."""
    wrapped = "activityFailureInfo" in members or "childWorkflowExecutionFailureInfo" in members
    return read_failure(members.inner("cause") if wrapped and "cause" in members else members, where)


def timeout_of(members: Members) -> str:
    """Return which time-out a failure of Temporal's tells of: attempt, queue, total or heartbeat."""
    word = members.inner("timeoutFailureInfo").word("timeoutType", "TIMEOUT_TYPE")
    return TIMEOUTS.get(word, "attempt")


def stopped_by(members: Members) -> str:
    """Return by which time-out a worker of ours has stopped the attempt that failed so; empty for none."""
    if members.text("source") != SOURCE or "applicationFailureInfo" not in members:
        return ""
    details = read_arguments(members.inner("applicationFailureInfo").get("details"), members.where)
    try:
        return msgspec.json.decode(details, type=_Stopped).timeout
    except msgspec.MsgspecError:
        return ""


class _Stopped(msgspec.Struct):
    timeout: str = ""


def write_failure(failure: Failure) -> dict[str, Any]:
    """Return a failure as Temporal has them: an application failure of its class."""
    info: dict[str, Any] = {"type": failure.type}
    if not failure.retryable:
        info["nonRetryable"] = True
    value: dict[str, Any] = {"message": failure.message, "source": SOURCE, "applicationFailureInfo": info}
    if failure.traceback:
        value["stackTrace"] = failure.traceback
    if failure.cause is not None:
        value["cause"] = write_failure(failure.cause)
    return value


def write_timeout(timeout: str, failure: Failure) -> dict[str, Any]:
    """Return the failure of a task that ran out of time."""
    word = next(theirs for theirs, ours in TIMEOUTS.items() if ours == timeout)
    kind = "TIMEOUT_TYPE" + "".join(f"_{each}" if each.isupper() else each.upper() for each in word)
    return {
        "message": failure.message,
        "source": SOURCE,
        "timeoutFailureInfo": {"timeoutType": kind},
    }
