"""Coroutines in code that is not asynchronous.

Owns: `run_alone`.
Must not know: what they do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from holdfast.authoring import calling_place
from holdfast.errors import DefinitionError

T = TypeVar("T")


def run_alone(ask: Callable[[], Coroutine[Any, Any, T]], what: str, instead: str) -> T:
    """Run a coroutine to its end in this thread. Raises DefinitionError where an event loop runs in it."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(ask())
    raise DefinitionError(f"{what} would stop the event loop that runs here", calling_place(), f"Write {instead}.")
