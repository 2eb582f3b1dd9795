"""Failures as Temporal's, and back.

Owns: which of Temporal's failures is which of ours: type, message, traceback, cause and whether it may be tried again.
Must not know: what failed.
"""

from __future__ import annotations

import base64
from typing import Final

import msgspec
from temporalio.api.enums.v1 import ApplicationErrorCategory as TheirCategory
from temporalio.api.enums.v1 import TimeoutType
from temporalio.api.failure.v1 import Failure as TheirFailure
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ApplicationErrorCategory,
    ChildWorkflowError,
    FailureError,
)
from temporalio.service import RPCError

from holdfast.errors import HoldfastError, StoreError
from holdfast.history import Failure, describe_failure
from holdfast.ports.answers import decode_answer, encode_error
from holdfast.temporal.payloads import write_payloads

SOURCE: Final = "holdfast"
CAUSES_MAX: Final = 64
TIMEOUTS: Final = {
    TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE: "attempt",
    TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START: "queue",
    TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE: "total",
    TimeoutType.TIMEOUT_TYPE_HEARTBEAT: "heartbeat",
}
"""Our word for each of Temporal's time-outs."""
_CLASSES: Final = {
    "timeout_failure_info": "TimeoutError",
    "canceled_failure_info": "CancelledError",
    "terminated_failure_info": "TerminatedError",
    "server_failure_info": "ServerError",
    "reset_workflow_failure_info": "ResetError",
    "activity_failure_info": "TaskError",
    "child_workflow_execution_failure_info": "ChildError",
}


class Tried(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a failed attempt says besides its failure."""

    attempt: int = 1
    """Which attempt it was, from 1."""
    timeout: str = ""
    """Which time-out ran out; empty for none."""


class CarriedError(ApplicationError):
    """A failure on its way through Temporal's SDK, which sends it as it is."""

    def __init__(self, carried: TheirFailure) -> None:
        """Carry a failure."""
        info = carried.application_failure_info
        category = ApplicationErrorCategory(info.category)
        super().__init__(carried.message, type=info.type, non_retryable=info.non_retryable, category=category)
        self._carried = carried

    @property
    def failure(self) -> TheirFailure:
        """The failure as it is sent."""
        return self._carried


def carry(failure: Failure) -> CarriedError:
    """Return what raises a failure of ours on Temporal."""
    return CarriedError(write_failure(failure))


def carry_attempt(failure: Failure, timeout: str, attempt: int, retry_seconds: float | None) -> CarriedError:
    """Return what says how an attempt at a task has failed.

    Args:
        failure: how.
        timeout: which time-out ran out; empty for none. Temporal wants to hear of its own from nobody else.
        attempt: which attempt it was, from 1.
        retry_seconds: when to try again; None leaves that to Temporal.
    """
    written = write_failure(failure)
    info = written.application_failure_info
    info.details.CopyFrom(write_payloads(msgspec.json.encode(Tried(attempt, timeout))))
    if retry_seconds is not None:
        info.next_retry_delay.FromMicroseconds(max(1, int(retry_seconds * 1e6)))
    return CarriedError(written)


def carry_delay(failure: Failure, attempt: int, seconds: float) -> CarriedError:
    """Return what says that an attempt is over although nothing went wrong, and the next one begins after `seconds`."""
    carried = carry_attempt(failure, "", attempt, seconds).failure
    carried.application_failure_info.category = TheirCategory.APPLICATION_ERROR_CATEGORY_BENIGN  # nobody logs it
    return CarriedError(carried)


def carry_error(error: HoldfastError) -> CarriedError:
    """Return what raises an error of ours on Temporal, so that `error_of` gives it back."""
    written = write_failure(describe_failure(error))
    text = msgspec.json.encode(base64.b64encode(encode_error(error)).decode("ascii"))
    written.application_failure_info.details.CopyFrom(write_payloads(text))
    return CarriedError(written)


def error_of(given: TheirFailure) -> HoldfastError | None:
    """Return the error of ours that a failure of Temporal's carries; None where it carries none."""
    details = given.application_failure_info.details.payloads
    if given.source != SOURCE or not details or not details[0].data.startswith(b'"'):
        return None
    try:
        decode_answer(base64.b64decode(msgspec.json.decode(details[0].data, type=str)))
    except HoldfastError as error:
        return error
    return None


def tried_of(given: TheirFailure) -> Tried:
    """Return what is known of the attempt with which a task has failed."""
    if given.HasField("timeout_failure_info"):  # nobody has stopped it: its worker is not heard of any more
        return Tried(1, TIMEOUTS.get(given.timeout_failure_info.timeout_type, "attempt"))
    details = given.application_failure_info.details.payloads
    if given.source != SOURCE or not details or not details[0].data.startswith(b"{"):
        return Tried()
    return _decode_tried(details[0].data)


def write_failure(failure: Failure) -> TheirFailure:
    """Return a failure of ours as Temporal has them: an application failure of its class."""
    written = TheirFailure(message=failure.message, source=SOURCE, stack_trace=failure.traceback)
    written.application_failure_info.type = failure.type
    written.application_failure_info.non_retryable = not failure.retryable
    if failure.cause is not None:
        written.cause.CopyFrom(write_failure(failure.cause))
    return written


def read_failure(given: TheirFailure, depth: int = 0) -> Failure:
    """Return a failure of Temporal's as ours."""
    cause = read_failure(given.cause, depth + 1) if given.HasField("cause") and depth < CAUSES_MAX else None
    kind, retryable = "Failure", True
    if given.HasField("application_failure_info"):
        info = given.application_failure_info
        kind, retryable = info.type or "ApplicationError", not info.non_retryable
    else:
        kind = next((name for field, name in _CLASSES.items() if given.HasField(field)), kind)  # type: ignore[arg-type]
    return Failure(kind, given.message, given.stack_trace, retryable, cause)


def failure_of(error: BaseException) -> Failure:
    """Return what Temporal's SDK has raised, as a failure of ours."""
    if isinstance(error, ActivityError | ChildWorkflowError) and error.cause is not None:
        error = error.cause
    if isinstance(error, FailureError) and error.failure is not None:
        return read_failure(error.failure)
    return describe_failure(error)


_decode_tried: Final = msgspec.json.Decoder(Tried).decode


def unavailable(error: RPCError) -> StoreError:
    """Return that the cluster did not do what it was asked for."""
    return StoreError(f"Temporal refused: {error.message}")
