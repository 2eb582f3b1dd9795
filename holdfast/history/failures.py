"""An exception as data.

Owns: the shape in which a failure travels and is recorded.
Must not know: which component failed, or what will be done about it.
"""

from __future__ import annotations

import traceback as tracebacks

import msgspec

TEXT_CHARACTERS_MAX = 16_384
TRACEBACK_CHARACTERS_MAX = 65_536
CAUSES_MAX = 8


class Failure(msgspec.Struct, frozen=True, array_like=True):
    """One exception: class name, message, traceback and what caused it."""

    type: str
    """Name of the exception class, such as `ValueError`."""
    message: str
    traceback: str = ""
    retryable: bool = True
    cause: Failure | None = None


def describe_failure(error: BaseException, *, retryable: bool = True, depth: int = 0) -> Failure:
    """Return `error` as a value; survives exceptions whose own methods raise.

    Args:
        error: any exception, however broken.
        retryable: whether another attempt may be made.
        depth: how many causes were described already (at most `CAUSES_MAX`).
    """
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return Failure(
        type=type(error).__name__,
        message=_clip(_text_of(error), TEXT_CHARACTERS_MAX),
        traceback=_clip(_traceback_of(error), TRACEBACK_CHARACTERS_MAX) if depth == 0 else "",
        retryable=retryable,
        cause=describe_failure(cause, depth=depth + 1) if cause is not None and depth < CAUSES_MAX else None,
    )


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as second:  # noqa: BLE001 - user code's __str__ may raise anything, and must not hide `error`
        return f"<{type(error).__name__}.__str__ raised {type(second).__name__}>"


def _traceback_of(error: BaseException) -> str:
    # Not format_exception(): that formats the exception itself, which may be what is broken.
    return "".join(tracebacks.format_tb(error.__traceback__))


def _clip(text: str, characters: int) -> str:
    # Lone surrogates cannot be written as UTF-8.
    clean = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return clean if len(clean) <= characters else clean[:characters] + "… (cut)"
