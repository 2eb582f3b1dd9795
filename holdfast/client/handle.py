"""One run, as whoever started it holds it.

Owns: the typed verbs on a run: result, signal, query, update, cancel, pause.
Must not know: how requests travel.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final, Generic, TypeVar, cast
from uuid import uuid4

import msgspec

from holdfast.authoring import encode_message
from holdfast.errors import (
    HoldfastError,
    RunCancelledError,
    RunFailedError,
    RunTerminatedError,
    RunTimedOutError,
)
from holdfast.history import Failure
from holdfast.ports.engine import Engine, Explanation, Outcome, RecordedEvent
from holdfast.ports.operations import CANCELLED, COMPLETED, TERMINATED, TIMED_OUT, RunRecord

ANSWER_SECONDS: Final = 30.0
"""How long a query or an update waits for its answer, by default."""

Result = TypeVar("Result")


class RunHandle(Generic[Result]):
    """A run. Cheap to make, holds no connection, and may be of a run that ended long ago."""

    def __init__(self, engine: Engine, run_id: str, decode: Any = None, *, created: bool = False) -> None:
        """Refer to run `run_id`; `decode` turns its result's JSON text into a value (plain JSON values when None)."""
        self.run_id = run_id
        self.created = created
        """Whether the start that gave this handle made the run, rather than finding it."""
        self._engine = engine
        self._decode = decode or msgspec.json.decode

    def __repr__(self) -> str:
        """Return the handle's type and run id."""
        return f"RunHandle({self.run_id!r})"

    async def result(self, timeout: float | None = None) -> Result:
        """Wait for the run's result.

        Args:
            timeout: seconds to wait; None waits for ever. The run itself goes on.

        Raises:
            TimeoutError: it has not ended yet.
            RunFailedError, RunCancelledError, RunTerminatedError, RunTimedOutError: it ended otherwise.
            RunNotFoundError: there is no such run.
        """
        outcome = await self._engine.outcome(self.run_id, timeout)
        if outcome is None:
            raise TimeoutError(f"run {self.run_id!r} has not ended within {timeout:g} s")
        return cast("Result", decode_outcome(self.run_id, outcome, self._decode))

    async def signal(self, signal: Any, *args: Any, operation_id: str | None = None, **kwargs: Any) -> None:
        """Send a signal; once this returns it cannot be lost.

        Args:
            signal: a handler such as `ReviewBatch.approve`, or its name.
            args: the handler's arguments.
            operation_id: names this message; sent again with the same one, it is delivered once.
            kwargs: the handler's arguments.

        Raises:
            RunNotFoundError, RunClosedError, InputError.
        """
        name, payload = encode_message(signal, args, kwargs)
        await self._engine.signal(self.run_id, name, payload, operation_id or uuid4().hex)

    async def query(self, query: Any, *args: Any, timeout: float = ANSWER_SECONDS, **kwargs: Any) -> Any:
        """Ask a query, also of a run that has ended.

        Raises:
            RunNotFoundError, UnknownNameError, QueryError, NoOrchestratorError, InputError.
        """
        name, payload = encode_message(query, args, kwargs)
        return _decoder(query)(await self._engine.query(self.run_id, name, payload, timeout))

    async def update(
        self,
        update: Any,
        *args: Any,
        operation_id: str | None = None,
        timeout: float = ANSWER_SECONDS,
        **kwargs: Any,
    ) -> Any:
        """Send an update and wait for its answer, which is durable by then.

        Raises:
            RunNotFoundError, RunClosedError, UnknownNameError, UpdateRejectedError, UpdateFailedError,
            NoOrchestratorError, InputError.
        """
        name, payload = encode_message(update, args, kwargs)
        answer = await self._engine.update(self.run_id, name, payload, operation_id or uuid4().hex, timeout)
        return _decoder(update)(answer)

    async def cancel(self, reason: str = "", *, operation_id: str | None = None) -> None:
        """Ask the run to stop: its code sees `asyncio.CancelledError` and may clean up.

        A parked run is tried again, and stays parked when its code still does not fit. A paused one sees it when it is
        resumed. `terminate` needs no code.

        Args:
            reason: what the error says.
            operation_id: names this request; sent again with the same one, it does not cancel the clean-up too.

        Raises:
            RunNotFoundError, RunClosedError.
        """
        await self._engine.cancel(self.run_id, reason, operation_id or uuid4().hex)

    async def terminate(self, reason: str = "", *, operation_id: str | None = None) -> None:
        """End the run without asking its code; at once when nobody runs it now.

        Raises:
            RunNotFoundError, RunClosedError.
        """
        await self._engine.terminate(self.run_id, reason, operation_id or uuid4().hex)

    async def pause(self, reason: str = "", *, by: str = "") -> None:
        """Keep the run from moving until it is resumed; once this returns it does not move.

        Signals wait for it, its timers do not fire, its tasks are not begun; those under way may end.

        Args:
            reason: why, for whoever looks at it.
            by: who wants it.

        Raises:
            RunNotFoundError, RunClosedError.
        """
        await self._engine.pause(self.run_id, by, reason)

    async def resume(self) -> None:
        """Let the run go on, if it is parked or paused.

        Raises:
            RunNotFoundError, RunClosedError.
            RunStateError: it is neither.
        """
        await self._engine.resume(self.run_id)

    async def explain(self) -> Explanation:
        """Return why the run does not move, as a chain of causes."""
        return await self._engine.explain(self.run_id)

    async def describe(self) -> RunRecord:
        """Return the state of the run's newest execution."""
        return await self._engine.describe(self.run_id)

    async def history(self) -> list[RecordedEvent]:
        """Return the events of the run's newest execution."""
        return await self._engine.history(self.run_id)

    def watch(self, after: int = 0) -> AsyncIterator[RecordedEvent]:
        """Yield the run's events as they are recorded, until it ends."""
        return self._engine.watch(self.run_id, after)


def decode_outcome(run_id: str, outcome: Outcome, decode: Any) -> Any:
    """Return the result an outcome holds, or raise the error it stands for."""
    failure = outcome.failure or Failure("", "")
    match outcome.status:
        case status if status == COMPLETED:
            return decode(outcome.result)
        case status if status == CANCELLED:
            error: type[HoldfastError] = RunCancelledError
        case status if status == TERMINATED:
            error = RunTerminatedError
        case status if status == TIMED_OUT:
            error = RunTimedOutError
        case _:
            error = RunFailedError
    raise error(run_id, failure.type, failure.message or outcome.reason, failure.traceback)


def _decoder(reference: Any) -> Any:
    signature = getattr(reference, "signature", None)
    return signature.decode_result if signature is not None else msgspec.json.decode
