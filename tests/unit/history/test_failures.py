"""Exceptions as data, however broken they are."""

from __future__ import annotations

import msgspec
import pytest

from holdfast.history import Failure, describe_failure
from holdfast.history.failures import CAUSES_MAX, TEXT_CHARACTERS_MAX, TRACEBACK_CHARACTERS_MAX


def raised(error: BaseException) -> BaseException:
    """Return an exception that was raised."""
    try:
        raise error
    except BaseException as caught:  # noqa: BLE001 - whatever it is
        return caught


def test_class_message_and_traceback() -> None:
    """What a person needs."""
    failure = describe_failure(raised(KeyError("x")), retryable=False)
    assert (failure.type, failure.message, failure.retryable) == ("KeyError", "'x'", False)
    assert "in raised" in failure.traceback


@pytest.mark.parametrize("raises", [RuntimeError, KeyboardInterrupt, RecursionError])
def test_methods_that_fail(raises: type[BaseException]) -> None:
    """An exception's own methods do not hide it."""

    class BrokenError(Exception):
        def __str__(self) -> str:
            raise raises

    assert describe_failure(BrokenError()).message == f"<BrokenError.__str__ raised {raises.__name__}>"


def test_what_is_no_text() -> None:
    """Lone surrogates travel as escapes, and the whole can be written."""
    failure = describe_failure(ValueError("\ud800"))
    assert failure.message == "\\ud800"
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(failure), type=Failure) == failure


def test_lengths_are_limited() -> None:
    """Messages and tracebacks are cut, and say so."""

    def deep(levels: int) -> None:
        if levels:
            deep(levels - 1)
        raise ValueError("x" * (TEXT_CHARACTERS_MAX + 1))

    try:
        deep(900)
    except ValueError as error:
        failure = describe_failure(error)
    assert len(failure.message) <= TEXT_CHARACTERS_MAX + 10
    assert failure.message.endswith("(cut)")
    assert len(failure.traceback) <= TRACEBACK_CHARACTERS_MAX + 10


def test_causes_are_limited_also_in_a_circle() -> None:
    """A chain of causes ends."""
    first, second = ValueError("a"), KeyError("b")
    first.__cause__, second.__cause__ = second, first
    failure: Failure | None = describe_failure(first)
    count = 0
    while failure is not None:
        failure, count = failure.cause, count + 1
    assert count == CAUSES_MAX + 1


def test_a_suppressed_context_is_no_cause() -> None:
    """`from None` is respected; an implicit context is a cause."""
    for suppress, cause in ((True, None), (False, "KeyError")):
        error = ValueError()
        error.__context__ = KeyError("x")
        error.__suppress_context__ = suppress
        described = describe_failure(error).cause
        assert (described.type if described else None) == cause
