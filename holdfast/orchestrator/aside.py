"""What is done beside the main path, in asyncio tasks of its own.

Owns: that each is kept until it is done, and that what goes wrong in it is not lost.
Must not know: what they do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from holdfast.errors import FencedError, HoldfastError
from holdfast.observe import logger
from holdfast.orchestrator.standing import Standing

log = logger("holdfast.orchestrator")


class Aside:
    """Runs coroutines nobody waits for."""

    def __init__(self, standing: Standing) -> None:
        """Run nothing yet; a fenced write in any of them loses `standing`."""
        self._standing = standing
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, function: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
        """Run a coroutine; what it raises is logged."""
        self.keep(asyncio.create_task(self._guarded(function, *args), name="holdfast orchestrator aside"))

    def keep(self, task: asyncio.Task[None]) -> None:
        """Keep a task until it is done or everything is stopped."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Cancel all there is, and wait for its end."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _guarded(self, function: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
        try:
            await function(*args)
        except FencedError:
            self._standing.lose()
        except HoldfastError as error:
            log.warning("could not finish in the background", error=str(error))
