"""Ending coroutines that nobody will resume.

Owns: what code is ended with, and how it is brought to its end although it may wait, go on or fail while it is.
Must not know: why it ends, or what it may still do.

Not by `close()`: that stops at an async generator, whose inside it leaves suspended. An exception goes all the way in.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Final

CLOSES_MAX: Final = 100
"""How often code that goes on waiting is told to end. After that it is left to the garbage collector."""


class Evicted(BaseException):
    """Raised inside workflow code that is not wanted in memory any more, and by all it then still asks for."""


class Continued(BaseException):
    """Raised inside workflow code that goes on as a new execution."""

    def __init__(self, input: bytes) -> None:
        """Go on with `input` (JSON text)."""
        super().__init__("the run continues as new")
        self.input = input


def close(coroutine: Any) -> BaseException | None:
    """End a suspended coroutine; return what its clean-up raised, if it raised something."""
    for _ in range(CLOSES_MAX):
        try:
            coroutine.throw(Evicted())  # comes back when it awaits something in a `finally`, or caught BaseException
        except (StopIteration, Evicted):
            return None
        except BaseException as error:  # noqa: BLE001 - a `finally` may raise anything; it must not stop the others
            return error
    return RuntimeError(f"it went on although it was told to end {CLOSES_MAX} times (CLOSES_MAX)")


def close_generator(generator: AsyncGenerator[Any, Any]) -> BaseException | None:
    """End an async generator that was left at a `yield`; return what its clean-up raised, if it raised something."""
    ending = generator.aclose()
    try:
        ending.send(None)
    except (StopIteration, StopAsyncIteration, Evicted):
        return None
    except BaseException as error:  # noqa: BLE001 - as above
        return error
    return close(ending)
