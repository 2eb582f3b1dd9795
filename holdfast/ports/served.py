"""What the code of tasks finds in its process, and code of one event loop that is run from another.

Owns: who serves what, the newest first; the way from one loop to another.
Must not know: what is served.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Served(Generic[T]):
    """One kind of thing that stacks serve to the tasks of their process."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._finds: list[Callable[[], T]] = []

    def serve(self, find: Callable[[], T]) -> Callable[[], None]:
        """Have the tasks of this process find what `find` returns; return what ends that."""
        self._finds.append(find)

        def end() -> None:
            with contextlib.suppress(ValueError):
                self._finds.remove(find)

        return end

    def newest(self) -> T | None:
        """Return what was served last, None for nothing."""
        return self._finds[-1]() if self._finds else None


async def on_loop(loop: asyncio.AbstractEventLoop, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine function on the event loop it belongs to, from whichever one this is."""
    if asyncio.get_running_loop() is loop:
        return await function()
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(function(), loop))
