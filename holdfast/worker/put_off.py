"""What a task means that raised `RateLimited`, `ApiDrift` or `BudgetUsedUp`.

Owns: reading how long it is to wait, in all the ways in which receivers say it.
Must not know: retries, rates, what is done about it.
"""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from holdfast.authoring import parse_duration
from holdfast.errors import DefinitionError
from holdfast.ports.task import Drifted, OutOfBudget, PutOff

if TYPE_CHECKING:
    from holdfast.errors import ApiDrift, BudgetUsedUp, RateLimited
    from holdfast.history import Failure

UNREADABLE_SECONDS: Final = 30.0
"""How long to wait where a receiver's words mean nothing to us."""
SECONDS_MAX: Final = 86_400.0
"""A receiver that wants more than this is asked again after it."""


def put_off_by(error: RateLimited, failure: Failure) -> PutOff:
    """Return how a task failed that raised `error`, described as `failure`."""
    return put_off(failure, _seconds(error.retry_after), error.rate or "", freezes=error.freezes)


def drifted_by(error: ApiDrift, failure: Failure) -> Drifted:
    """Return how a task failed that raised `error`, described as `failure`."""
    return drifted(failure, (error.host, error.endpoint, error.contract, error.changes))


def drifted(failure: Failure, about: tuple[str, str, str, tuple[tuple[str, str, str], ...]]) -> Drifted:
    """Return a failure that parks its run."""
    host, endpoint, contract, changes = about
    return Drifted(
        failure.type,
        failure.message,
        failure.traceback,
        failure.retryable,
        failure.cause,
        host=host,
        endpoint=endpoint,
        contract=contract,
        changes=changes,
    )


def out_of_budget_by(error: BudgetUsedUp, failure: Failure) -> OutOfBudget:
    """Return how a task failed that raised `error`, described as `failure`."""
    return out_of_budget(failure, (error.name, error.per, error.scope))


def out_of_budget(failure: Failure, about: tuple[str, str, str]) -> OutOfBudget:
    """Return a failure that parks its run until a budget has more: by name, period and scope."""
    name, per, scope = about
    return OutOfBudget(
        failure.type,
        failure.message,
        failure.traceback,
        failure.retryable,
        failure.cause,
        name=name,
        per=per,
        scope=scope,
    )


def put_off(failure: Failure, seconds: float, rate: str, *, freezes: bool) -> PutOff:
    """Return a failure that says when to try again, and which rate to freeze; empty for all of the task."""
    return PutOff(
        failure.type,
        failure.message,
        failure.traceback,
        failure.retryable,
        failure.cause,
        seconds=seconds,
        rate=rate,
        freezes=freezes,
    )


def _seconds(retry_after: Any) -> float:
    """Return a wait in seconds: given as such, as a duration, or as the date of an HTTP header."""
    try:
        if isinstance(retry_after, str) and retry_after.strip().isdecimal():
            return min(float(retry_after), SECONDS_MAX)
        return min(parse_duration(retry_after, "retry_after", zero=True), SECONDS_MAX)
    except DefinitionError:
        pass
    try:
        return min(max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time()), SECONDS_MAX)
    except (TypeError, ValueError, OverflowError, AttributeError):
        return UNREADABLE_SECONDS
