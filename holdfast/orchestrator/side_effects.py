"""Functions that workflow code wants called, and their values recorded.

Owns: calling them outside the workflow, and the facts that come of it.
Must not know: commits, the store, what the functions do.

Nothing is recorded before there is a value: a call whose process dies is made again by whoever has the run next.
Request and value go into one page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from functools import partial

from holdfast.engine import Issued
from holdfast.history import Failure, SideEffectRecorded, describe_failure
from holdfast.orchestrator.live import Live


class SideEffects:
    """Calls the functions of the executions in memory."""

    def __init__(self, now: Callable[[], float], touched: Callable[[Live], None]) -> None:
        """Call `touched` with each execution that has got something to write; `now` is in seconds since the epoch."""
        self._now = now
        self._touched = touched

    def start(self, live: Live, step: str, issued: Issued) -> None:
        """Call the function of a step, in a context that knows nothing of the workflow."""
        context = Context()
        try:
            value = context.run(live.execution.function_of(step))
        except Exception as error:  # noqa: BLE001 - the code of users may raise anything
            self._record(live, step, issued, None, describe_failure(error))
            return
        if isinstance(value, bytes):
            self._record(live, step, issued, value, None)
            return
        task = asyncio.get_running_loop().create_task(_awaited(value), name=f"side effect {step}", context=context)
        live.effects[step] = issued, task
        task.add_done_callback(partial(self._done, live, step, issued))

    def cancel(self, live: Live, step: str) -> None:
        """Stop a call whose value is not wanted any more. History says that it was made."""
        found = live.effects.pop(step, None)
        if found is not None:
            issued, task = found
            live.entries.append(issued)
            task.cancel()

    def abandon(self, live: Live) -> None:
        """Stop the calls of an execution that is not this member's any more."""
        effects, live.effects = live.effects, {}
        for _, task in effects.values():
            task.cancel()

    def _done(self, live: Live, step: str, issued: Issued, task: asyncio.Task[bytes]) -> None:
        if live.effects.pop(step, None) is None:
            if not task.cancelled():
                task.exception()  # nobody waits for it, and it was looked at
            return
        if task.cancelled():
            self._record(live, step, issued, None, Failure("CancelledError", "the side effect cancelled itself"))
        elif (error := task.exception()) is not None:
            self._record(live, step, issued, None, describe_failure(error))
        else:
            self._record(live, step, issued, task.result(), None)
        self._touched(live)

    def _record(self, live: Live, step: str, issued: Issued, result: bytes | None, failure: Failure | None) -> None:
        live.entries.append(issued)
        live.entries.append(SideEffectRecorded(self._now(), -1, step, result, failure))


async def _awaited(value: Awaitable[bytes]) -> bytes:
    return await value
