"""One attempt at a task: what its code is told, how long it may take, and how it ends.

Owns: the life of an attempt, its time-outs, and the promise that its outcome is told exactly once.
Must not know: what runs the code (loop, thread, process), pools, stores, retries.

An attempt is stopped by a *verdict*: one of its time-outs, or a cancellation. What happens to the running code then is
the executor's business (`Stop`): a coroutine is cancelled and may clean up, a process is killed, a thread can only be
left alone. Until the executor says how the code ended, the attempt is not over; one that does not end within
STOP_GRACE_SECONDS is given up, and what it does later is nobody's business any more.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from holdfast.errors import EncodeError, LeaseLost
from holdfast.history import Exchange, Failure, describe_failure
from holdfast.ports.clock import Clock
from holdfast.ports.task import AttemptOutcome, Known, TaskCall, TaskInfo, current_task, plain
from holdfast.worker.meanings import meaning_of

STOP_GRACE_SECONDS: Final = 5.0
"""How long code that was told to stop may take to clean up."""

CANCELLED: Final = "cancelled"

Done: TypeAlias = Callable[[TaskCall, AttemptOutcome], None]

_HERE: Final = os.path.dirname(__file__) + os.sep  # noqa: PTH120 - compared with code objects' file names, as text


class Codec(Protocol):
    """How a task's payloads become Python values and back."""

    def decode_call(self, payload: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return (args, kwargs). Raises InputError."""

    def encode_result(self, value: Any) -> bytes:
        """Return JSON text. Raises EncodeError."""


class Executable(Protocol):
    """What an executor needs to know of a task definition."""

    @property
    def name(self) -> str:
        """Name under which the task is registered."""

    @property
    def fn(self) -> Callable[..., Any]:
        """The user's function."""

    @property
    def is_async(self) -> bool:
        """Whether calling `fn` returns a coroutine."""

    @property
    def signature(self) -> Codec:
        """Types of its input and result."""


class Stop(Protocol):
    """How an executor is told that an attempt must end."""

    def __call__(self) -> bool:
        """Stop the code. True: its end will be reported. False: it goes on, unheard."""


class Attempt:
    """An attempt under way, as its code sees it (TaskContext) and as its owner holds it (RunningAttempt)."""

    info: TaskInfo
    """What the code may know about this attempt; made when it is first asked for."""

    # Most attempts end before any of these is set; a class attribute costs such an attempt nothing.
    progress: bytes = b""
    """What the code reported last, as JSON text; empty for nothing yet."""
    beats: int = 0
    """How often it reported."""
    exchanges: tuple[Exchange, ...] = ()
    """What its code asked of outside systems and was answered."""
    over: bool = False
    verdict: str = ""
    """Why it is being stopped: one of the time-outs, or `cancelled`."""
    released: Callable[[], None] | None = None
    """Called when the attempt is over, before anybody hears of it."""
    where: Callable[[], str] | None = None
    """Says where the code is, as a traceback."""
    _stop: Stop | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _timers: tuple[asyncio.TimerHandle, ...] = ()
    _beat_at: float = 0.0
    _seen_at: str = ""

    def __init__(self, call: TaskCall, clock: Clock, done: Done) -> None:
        self.call = call
        self.started = clock.now()
        self._clock = clock
        self._done = done

    # What the code may ask and say ---------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        if name != "info":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        call = self.call
        limit = self._limit()
        self.info = TaskInfo(
            idempotency_key=call.idempotency_key,
            attempt=call.attempt,
            run_id=call.run_id,
            execution=call.execution,
            task=call.task,
            step=call.step,
            fencing_token=call.token,
            deadline=None if limit is None else datetime.fromtimestamp(self.started + limit[0], UTC),
            last_progress=msgspec.json.decode(call.progress) if call.progress else None,
        )
        return self.info

    def heartbeat(self, progress: Any = None) -> None:
        """Say "still at it", and record `progress` (JSON values) for the next attempt. Thread-safe.

        Raises:
            LeaseLost: the attempt is no longer wanted; stop.
            EncodeError: `progress` has no JSON form.
        """
        if self.over or self.verdict:
            raise LeaseLost(self.call.idempotency_key)
        if progress is not None:
            self.progress = encode_progress(progress)
        self.beat()

    def beat(self, progress: bytes = b"") -> None:
        """Note a sign of life; `progress` is JSON text, empty for unchanged."""
        if progress:
            self.progress = progress
        self.beats += 1
        if self._loop is not None:
            self._beat_at = self._loop.time()

    # What its owner may ask ----------------------------------------------------------------------------------------

    def cancel(self) -> None:
        """Stop it; its outcome will say `cancelled`, unless it ended before."""
        self._convict(CANCELLED)

    # What its executor says ----------------------------------------------------------------------------------------

    def wait(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start the clocks that run while the attempt waits for its turn."""
        self._loop = loop
        call, now = self.call, self._clock.now()
        if call.queued_at and call.options.total_timeout is not None:
            self._arm(call.queued_at + call.options.total_timeout - now, "total")
        if call.queued_at and call.attempt == 1 and call.options.queue_timeout is not None:
            self._arm(call.queued_at + call.options.queue_timeout - now, "queue")

    def begin(self) -> bool:
        """Note that the code starts now. False: it must not, time ran out before; the attempt is over."""
        if self.over:
            return False
        self._disarm()
        self.started = self._clock.now()
        call = self.call
        if call.start_by and asyncio.get_running_loop().time() > call.start_by:
            self._convict(CANCELLED)
        elif call.queued_at:
            options = call.options
            waited = self.started - call.queued_at
            if call.attempt == 1 and options.queue_timeout is not None and waited >= options.queue_timeout:
                self._convict("queue")
            elif options.total_timeout is not None and waited >= options.total_timeout:
                self._convict("total")
        return not self.over

    def run_on(self, loop: asyncio.AbstractEventLoop, stop: Stop) -> None:
        """Note that the code did not end at once: start the clocks of a running attempt."""
        if self.over:
            return
        self._loop, self._stop = loop, stop
        limit = self._limit()
        if limit is not None:
            self._arm(limit[0], limit[1])
        heartbeat_timeout = self.call.options.heartbeat_timeout
        if heartbeat_timeout is not None:
            self._beat_at = loop.time()
            self._timers += (loop.call_later(heartbeat_timeout, self._check_beat, heartbeat_timeout),)

    def succeed(self, result: bytes) -> None:
        """Note that the code returned; `result` is JSON text."""
        # A result that came just too late is the work done: trying again would only do it twice.
        if not self.verdict:
            self._end(result, None)
        elif self.verdict == CANCELLED:
            self._end(None, None)
        else:
            self.verdict = ""
            self._end(result, None)

    def fail(self, failure: Failure) -> None:
        """Note that the code failed."""
        self._end(None, failure)

    def stopped(self) -> None:
        """Note that the code was stopped, as it had to be."""
        self._end(None, None)

    # -----------------------------------------------------------------------------------------------------------------

    def _limit(self) -> tuple[float, str] | None:
        call = self.call
        options = call.options
        limit = None if options.timeout is None else (options.timeout, "attempt")
        if options.total_timeout is not None and call.queued_at:
            total = (max(0.0, call.queued_at + options.total_timeout - self.started), "total")
            limit = total if limit is None else min(limit, total)
        return limit

    def _arm(self, seconds: float, verdict: str) -> None:
        assert self._loop is not None
        self._timers += (self._loop.call_later(max(0.0, seconds), self._convict, verdict),)

    def _disarm(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers = ()

    def _check_beat(self, limit: float) -> None:
        assert self._loop is not None
        left = self._beat_at + limit - self._loop.time()
        if left <= 0:
            self._convict("heartbeat")
        else:
            self._timers = tuple(timer for timer in self._timers if timer.when() > self._loop.time())
            self._timers += (self._loop.call_later(left, self._check_beat, limit),)

    def _convict(self, verdict: str) -> None:
        if self.over or self.verdict:
            return
        self.verdict = verdict
        self._disarm()
        if self.where is not None:
            self._seen_at = self.where()
        if self._stop is None or not self._stop():
            self._end(None, None)
        elif not self.over:
            assert self._loop is not None
            self._timers += (self._loop.call_later(STOP_GRACE_SECONDS, self._end, None, None),)

    def _end(self, result: bytes | None, failure: Failure | None) -> None:
        if self.over:
            return
        self.over = True
        if self._timers:
            self._disarm()
        ended = self._clock.now()
        verdict = self.verdict
        if not verdict:
            made = () if result is not None else self.exchanges  # what succeeded is answered by its result
            outcome = AttemptOutcome(self.started, ended, result, failure, progress=self.progress, exchanges=made)
            if failure is not None and isinstance(failure, Known):
                described = failure.plain() if type(failure) is Known else failure
                outcome = msgspec.structs.replace(outcome, failure=described, classes=failure.classes)
        elif verdict == CANCELLED:
            outcome = AttemptOutcome(self.started, ended, cancelled=True)
        else:
            outcome = AttemptOutcome(
                self.started,
                ended,
                None,
                self._timed_out(verdict, None if failure is None else plain(failure)),
                verdict,
                progress=self.progress,
                exchanges=self.exchanges,
            )
        if self.released is not None:
            self._stop = self.where = None
            self.released()
        self._done(self.call, outcome)

    def _timed_out(self, verdict: str, last: Failure | None) -> Failure:
        options = self.call.options
        seconds = {
            "attempt": options.timeout,
            "heartbeat": options.heartbeat_timeout,
            "queue": options.queue_timeout,
            "total": options.total_timeout,
        }[verdict]
        what = {
            "attempt": "the attempt did not end within",
            "heartbeat": "no heartbeat for",
            "queue": "no attempt began within",
            "total": "all attempts together did not end within",
        }[verdict]
        return Failure(
            type="TimeoutError",
            message=f"{what} {seconds:g} s ({verdict} time-out)",
            traceback=self._seen_at or ("" if last is None else last.traceback),
            retryable=verdict in {"attempt", "heartbeat"},
            cause=None if last is None or last.type == "CancelledError" else last,
        )


def encode_progress(progress: Any) -> bytes:
    """Return what `heartbeat` was given as JSON text. Raises EncodeError."""
    try:
        return msgspec.json.encode(progress)
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        raise EncodeError("the progress of a heartbeat", str(error)) from error


def describe_task_failure(error: BaseException, *, retryable: bool = True) -> Failure:
    """Return what task code raised as a value, the traceback led by the user's own lines."""
    trace: TracebackType | None = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_HERE):
        trace = trace.tb_next
    # An error of our own has no other lines than ours.
    failure = describe_failure(error if trace is None else error.with_traceback(trace), retryable=retryable)
    return meaning_of(error, failure)


def is_retryable(definition: Executable, error: BaseException) -> bool:
    """Say whether the definition allows another attempt after `error`."""
    ask = getattr(definition, "is_retryable", None)
    return True if ask is None else bool(ask(error))


def perform(definition: Executable, payload: bytes) -> bytes | Failure:
    """Make an attempt to the end, in this thread, in the current context: decode, call, encode.

    Returns the result as JSON text, or how it failed. Raises nothing.
    """
    try:
        args, kwargs = definition.signature.decode_call(payload)
    except BaseException as error:  # noqa: BLE001 - a validator of the user's types may raise anything
        return describe_task_failure(error, retryable=False)
    try:
        value = definition.fn(*args, **kwargs)
        if definition.is_async:
            value = asyncio.run(value)
    except BaseException as error:  # noqa: BLE001 - SystemExit raised by task code is a failure of the task
        return describe_task_failure(error, retryable=is_retryable(definition, error))
    try:
        return definition.signature.encode_result(value)
    except BaseException as error:  # noqa: BLE001 - a serializer of the user's types may raise anything
        return describe_task_failure(error, retryable=False)


def perform_as(attempt: Any, definition: Executable, payload: bytes) -> bytes | Failure:
    """As `perform`, with `attempt` as the current task."""
    token = current_task.set(attempt)
    try:
        return perform(definition, payload)
    finally:
        current_task.reset(token)
