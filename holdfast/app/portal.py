"""The synchronous door: one event loop in a thread, and a way to call into it.

Owns: the thread and its loop.
Must not know: what is called.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Portal:
    """Runs coroutines on an event loop in a thread of its own."""

    def __init__(self) -> None:
        """Start the loop."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="holdfast portal", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def call(
        self,
        function: Callable[Parameters, Awaitable[Result]],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Result:
        """Call `function` on the loop, and wait for its result."""

        async def called() -> Result:
            return await function(*args, **kwargs)

        future = asyncio.run_coroutine_threadsafe(called(), self._loop)
        try:
            return future.result()
        except BaseException:
            # Ctrl-C ends the wait, so it also ends what was waited for.
            future.cancel()
            raise

    def close(self) -> None:
        """Stop the loop and its thread."""

        async def cancel_rest() -> None:
            tasks = [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._loop.shutdown_asyncgens()

        self.call(cancel_rest)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Blocking:
    """A stand-in whose asynchronous methods are called through a portal, and block."""

    def __init__(self, target: Any, portal: Portal) -> None:
        """Stand in for `target`."""
        self._target = target
        self._portal = portal

    def __getattr__(self, name: str) -> Any:
        """Return the target's attribute; an asynchronous method blocks until it is done."""
        value = getattr(self._target, name)
        if not asyncio.iscoroutinefunction(value):
            return value

        def call(*args: Any, **kwargs: Any) -> Any:
            return self._portal.call(value, *args, **kwargs)

        call.__name__ = name
        call.__doc__ = value.__doc__
        return call

    def __repr__(self) -> str:
        """Return the target's own."""
        return repr(self._target)
