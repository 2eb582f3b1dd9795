"""What a task means by what it raised: come again later, park the run, or a failure of some classes.

Owns: reading that from errors, also how long to wait however receivers say it; how it goes from process to process.
Must not know: retries, rates, what is done about it.
"""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import msgspec

from holdfast.authoring import parse_duration
from holdfast.errors import DefinitionError, RateLimited
from holdfast.history import Failure
from holdfast.ports.task import Drifted, Known, OutOfBudget, PutOff, parking_of

if TYPE_CHECKING:
    from collections.abc import Mapping

UNREADABLE_SECONDS: Final = 30.0
"""How long to wait where a receiver's words mean nothing to us."""
SECONDS_MAX: Final = 86_400.0
"""A receiver that wants more than this is asked again after it."""

CLASSES_MAX: Final = 20
"""How many classes above an exception's own are named."""

_NOBODYS: Final = frozenset({object, BaseException})
_KINDS: Final[Mapping[str, type[Known]]] = MappingProxyType(
    {each.__name__: each for each in (Known, PutOff, Drifted, OutOfBudget)}
)
"""Failures that mean more than a failure."""
_encode = msgspec.msgpack.Encoder().encode


def meaning_of(error: BaseException, failure: Failure) -> Failure:
    """Return what a task means that raised `error`, described as `failure`: one of its kinds."""
    by = classes_of(error)
    said = (failure.type, failure.message, failure.traceback, failure.retryable, failure.cause)
    if isinstance(error, RateLimited):
        return PutOff(*said, by, seconds=_seconds(error.retry_after), rate=error.rate or "", freezes=error.freezes)
    parking = parking_of(error, failure)
    return Known(*said, by) if parking is None else msgspec.structs.replace(parking, classes=by)


def classes_of(error: BaseException) -> tuple[str, ...]:
    """Return by which classes of failure an exception goes: its class and those above it, and `http:503`."""
    names = [each.__name__ for each in type(error).__mro__[:CLASSES_MAX] if each not in _NOBODYS]
    status = _status(error)
    return (f"http:{status}", *names) if status else tuple(names)


def _status(error: BaseException) -> int:
    """Return the status that a host answered, as errors of HTTP clients say it; 0 when there is none."""
    try:
        of_answer = getattr(getattr(error, "response", None), "status_code", None)
        status = of_answer or getattr(error, "status", None) or getattr(error, "status_code", None)
    except Exception:  # noqa: BLE001 - a property of users' errors may raise anything
        return 0
    return status if type(status) is int and 100 <= status <= 599 else 0


def pack_meaning(failure: Failure) -> tuple[str, bytes] | None:
    """Return a failure of one of the kinds as it goes from one process to another; None for any other."""
    kind = type(failure).__name__
    return (kind, _encode(failure)) if kind in _KINDS else None


def unpack_meaning(packed: tuple[str, bytes]) -> Failure:
    """Return what was packed."""
    kind, body = packed
    return msgspec.msgpack.decode(body, type=_KINDS[kind])


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
