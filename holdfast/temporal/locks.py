"""The places of one execution in the lines of locks and semaphores.

Owns: which places are asked for and given back, and the form in which that is said to a worker.
Must not know: lines, stores, who answers.

Locks are in the store, where everybody stands in one line: runs on the embedded engine, tasks, scripts, and runs here.
In histories:

    asking      an activity `holdfast:lock` with the step as its id (`lock(bank)#1`), on the task queue `holdfast:own`;
                one argument {"execution": ..., "name": ..., "slots": ...}; its result is the fencing token. While the
                lock is taken its attempts fail, and come again later; whoever sees the grant first ends it from outside
    leaving     an activity `holdfast:unlock` with the id `STEP/unlock` and one argument {"execution": ..., "name": ...,
                "step": ...}. Its result means nothing to the code. It is scheduled as the code gives the lock back;
                where the code does not wait any longer, the asking is cancelled first, and it follows the end of that

What a run still holds when its code has ended is given back in the same way before the run ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, Final

import msgspec
from temporalio import workflow
from temporalio.common import RawValue, RetryPolicy

from holdfast.history import AcquireLock, InputEvent, LockGranted, ReleaseLock
from holdfast.history.temporal import QUEUE
from holdfast.temporal.payloads import raw, read_payload

LOCK: Final = "holdfast:lock"
"""The activity that asks for a place."""
UNLOCK: Final = "holdfast:unlock"
"""The activity that gives it back."""
OWN_QUEUE: Final = f"{QUEUE}:own"
"""The task queue of Holdfast's own activities: what they do takes no time, and no slot of users' tasks."""
WRITE_SECONDS: Final = 10.0
"""How long an attempt at either may take."""
RETRY: Final = RetryPolicy(initial_interval=timedelta(seconds=0.1), maximum_interval=timedelta(seconds=5))
"""When it is tried again where the store does not answer."""


class Asking(msgspec.Struct, frozen=True):
    """A place that is asked for."""

    execution: str
    name: str
    slots: int


class Leaving(msgspec.Struct, frozen=True):
    """A place that is given back."""

    execution: str
    name: str
    step: str


def token_of(handle: asyncio.Future[RawValue]) -> int:
    """Return the fencing token of a place that was given."""
    return msgspec.json.decode(read_payload(handle.result().payload), type=int)


class Places:
    """The places of one execution."""

    def __init__(self, execution: str, put: Callable[[InputEvent], None]) -> None:
        """Hold none.

        Args:
            execution: whose they are.
            put: takes grants.
        """
        self._execution = execution
        self._put = put
        self._asked: dict[str, asyncio.Future[RawValue]] = {}
        self.leaving = 0
        """How many are being given back."""

    def ask(self, command: AcquireLock) -> None:
        """Ask for a place."""
        handle = self._begin(LOCK, command.step, Asking(self._execution, command.name, command.slots))
        self._asked[command.step] = handle
        handle.add_done_callback(partial(self._granted, command.step))

    def hold(self, command: AcquireLock) -> asyncio.Future[RawValue]:
        """Ask for a place that the run's code holds already: it was forked where it did. See `token_of`."""
        handle = self._asked[command.step] = self._begin(
            LOCK, command.step, Asking(self._execution, command.name, command.slots)
        )
        return handle

    def leave(self, command: ReleaseLock) -> None:
        """Give a place back, or leave the line."""
        self.leaving += 1
        asked = self._asked.pop(command.step)
        if asked.done():
            self._leave(command)
        else:  # it may be in line by the time that it has ended
            asked.cancel()
            asked.add_done_callback(partial(self._stopped, command))

    def _granted(self, step: str, handle: asyncio.Future[RawValue]) -> None:
        # It can only fail where it was cancelled: it is tried for ever.
        if step in self._asked and not handle.cancelled() and handle.exception() is None:
            self._put(LockGranted(0.0, -1, step, token_of(handle)))

    def _stopped(self, command: ReleaseLock, asked: asyncio.Future[RawValue]) -> None:
        if asked.cancelled():  # it had not begun, or the run leaves memory
            self.leaving -= 1
        else:
            self._leave(command)

    def _leave(self, command: ReleaseLock) -> None:
        leaving = Leaving(self._execution, command.name, command.step)
        self._begin(UNLOCK, f"{command.step}/unlock", leaving).add_done_callback(self._left)

    def _left(self, _: asyncio.Future[RawValue]) -> None:
        self.leaving -= 1

    def _begin(self, activity: str, id: str, argument: Any) -> asyncio.Future[RawValue]:
        return workflow.start_activity(
            activity,
            raw(msgspec.json.encode(argument)),
            result_type=RawValue,
            activity_id=id,
            task_queue=OWN_QUEUE,
            start_to_close_timeout=timedelta(seconds=WRITE_SECONDS),
            retry_policy=RETRY,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
