"""Ending coroutines that nobody will resume.

Owns: how a coroutine is brought to its end although its code may wait, go on or fail while it is.
Must not know: why it ends, or what its code may still do.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Final

CLOSES_MAX: Final = 100
"""How often a coroutine that goes on waiting is told to end. After that it is left to the garbage collector."""


def close(coroutine: Any) -> BaseException | None:
    """End a suspended coroutine; return what its clean-up raised, if it raised something."""
    for _ in range(CLOSES_MAX):
        try:
            coroutine.close()
        except BaseException as error:  # noqa: BLE001 - a `finally` may raise anything; it must not stop the others
            if _is_suspended(coroutine):
                continue  # it awaited something in a `finally`, or caught GeneratorExit
            return error
        return None
    return RuntimeError(f"it went on although it was told to end {CLOSES_MAX} times (CLOSES_MAX)")


def close_generator(generator: AsyncGenerator[Any, Any]) -> BaseException | None:
    """End a suspended async generator; return what its clean-up raised, if it raised something."""
    ending = generator.aclose()
    try:
        ending.send(None)
    except StopIteration:
        return None
    except BaseException as error:  # noqa: BLE001 - as above
        return error
    return close(ending)


def _is_suspended(coroutine: Any) -> bool:
    for name in ("cr_frame", "gi_frame", "ag_frame"):
        if hasattr(coroutine, name):
            return getattr(coroutine, name) is not None
    return False
