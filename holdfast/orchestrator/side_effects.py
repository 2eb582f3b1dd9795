"""Functions that workflow code wants called, and their values recorded.

Owns: calling them outside the workflow, and the facts that come of it.
Must not know: commits, the store, what the functions do.

Nothing is recorded before there is a value: a call whose process dies is made again by whoever has the run next.
Request and value go into one page. A function that finds a budget used up, or an answer otherwise than its code
expects, has its run parked, as a task has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from functools import partial
from typing import Final, TypeAlias

from holdfast.engine import Issued
from holdfast.history import Failure, SideEffectRecorded, describe_failure
from holdfast.orchestrator.live import Live
from holdfast.ports.books import Asker, current_asker
from holdfast.ports.operations import Operation
from holdfast.ports.task import Parks, parking_of

Function: TypeAlias = Callable[[], bytes | Awaitable[bytes]]


PARKED_SECONDS: Final = 1.0
"""How long after its run was to be parked a function is called again, should the run go on here after all."""


class SideEffects:
    """Calls the functions of the executions in memory."""

    def __init__(
        self, now: Callable[[], float], touched: Callable[[Live], None], hand_in: Callable[[Operation], None]
    ) -> None:
        """Call functions, and have what comes of it written.

        Args:
            now: seconds since the epoch.
            touched: called with each execution that has got something to write.
            hand_in: writes what is no part of a history.
        """
        self._now = now
        self._touched = touched
        self._hand_in = hand_in

    def start(self, live: Live, step: str, issued: Issued) -> None:
        """Call the function of a step, in a context that knows nothing of the workflow but whose step it is."""
        context, function = Context(), live.execution.function_of(step)
        context.run(current_asker.set, Asker(live.run_id, step))
        try:
            value = context.run(function)
        except Exception as error:  # noqa: BLE001 - the code of users may raise anything
            failure = describe_failure(error)
            parking = parking_of(error, failure)
            if parking is None:
                self._record(live, step, issued, None, failure)
                return
            value = self._called_again(live, function, parking)
        if isinstance(value, bytes):
            self._record(live, step, issued, value, None)
            return
        name = f"side effect {step}"
        task = asyncio.get_running_loop().create_task(self._awaited(live, function, value), name=name, context=context)
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

    async def _awaited(self, live: Live, function: Function, value: Awaitable[bytes]) -> bytes:
        """Return what a function gives in the end; its run may be parked before."""
        while True:
            try:
                return await value
            except Exception as error:
                parking = parking_of(error, describe_failure(error))
                if parking is None:
                    raise
            value = self._called_again(live, function, parking)

    async def _called_again(self, live: Live, function: Function, parking: Parks) -> bytes:
        # Nothing is recorded: once the run goes on, whoever has it then calls the function, which is this process only
        # when it was not parked after all. Parked, it leaves this memory, and this is cancelled.
        self._hand_in(parking.report(live.execution_id))
        await asyncio.sleep(PARKED_SECONDS)
        value = function()
        return value if isinstance(value, bytes) else await value
