"""One attempt at a chunk of `map_tasks`, in a worker.

Owns: which items are done, which wait for another attempt, and what is reported meanwhile.
Must not know: how an attempt at an item runs, Temporal's SDK.

Items are run one after the other: the chunk has one slot. What has been done so far is the details of its heartbeats,
so whoever takes it over from a worker that died repeats at most what was done since the last one. Items that failed are
tried again together, when all others are done; until then the chunk has no slot: its attempt ends, and says when the
next one is to begin. An attempt whose worker has died does not count for the items, up to a limit.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from holdfast.engine import decide_retry
from holdfast.errors import UnknownNameError
from holdfast.history import Failure, TaskOptions, describe_failure
from holdfast.ports.task import AttemptOutcome, PutOff, RunningAttempt, TaskCall, TaskRunner, plain
from holdfast.temporal.mapping import (
    DONE_BYTES_MAX,
    RESULT_BYTES_MAX,
    Chunk,
    ChunkEnd,
    Done,
    Left,
    Progress,
    encode,
)

DEATHS_MAX: Final = 10
"""A chunk whose workers died so often in a row, and nothing was done, fails its items (`max_recoveries`)."""
UNKNOWN_SECONDS: Final = 1.0
"""How soon another worker may try what this one has no code for."""


class ChunkUnfinishedError(Exception):
    """The attempt is over, and the chunk is not: another attempt is to begin after `seconds`."""

    def __init__(self, failure: Failure, seconds: float) -> None:
        """Say why, and when."""
        super().__init__(failure.message)
        self.failure = failure
        self.seconds = seconds


class ChunkRun:
    """One attempt at a chunk."""

    def __init__(  # noqa: PLR0913 - all by name
        self,
        *,
        pattern: TaskCall,
        chunk: Chunk,
        progress: Progress,
        failures_max: int,
        runner: TaskRunner,
        jitter: Callable[[], float],
        wait: Callable[[asyncio.Future[AttemptOutcome], RunningAttempt | None], Awaitable[AttemptOutcome]],
        report: Callable[[], None],
        is_stopping: Callable[[], bool],
    ) -> None:
        """Go on where `progress` says.

        Args:
            pattern: what the calls of all items have in common; its step is the fan-out's, its attempt the chunk's.
            chunk: what is to be done.
            progress: how far it is.
            failures_max: how many items of the fan-out may fail; -1 is any number.
            runner: runs attempts at items.
            jitter: uniform in [0, 1), for the wait before items are tried again.
            wait: waits for the end of an item, and reports `details` meanwhile.
            report: reports `details` if that is due.
            is_stopping: says whether the worker is about to end.
        """
        self._pattern = pattern
        self._inputs = {each.index: bytes(each.input) for each in chunk.items}
        self._failures_max = failures_max
        self._runner = runner
        self._jitter = jitter
        self._wait = wait
        self._report = report
        self._is_stopping = is_stopping
        self._done = list(progress.done)
        self._done_bytes = sum(len(bytes(each.body)) for each in progress.done)
        self._failed = sum(not each.ok for each in progress.done)
        known = {each.index for each in progress.done}
        left = progress.left or [Left(each.index, each.attempt) for each in chunk.items if each.index not in known]
        self._left = deque(left)
        self._again: list[Left] = []
        self._again_seconds = 0.0
        self._clean = progress.clean

    @property
    def details(self) -> bytes:
        """How far it is, as JSON text."""
        return encode(Progress(tuple(self._done), (*self._left, *self._again), self._clean))

    async def run(self) -> bytes:
        """Do as many items as there is room for; return what came of the chunk, as JSON text.

        Raises:
            ChunkUnfinishedError: some items are to be tried again; `details` has to be reported before.
        """
        options, attempt = self._pattern.options, self._pattern.attempt
        if self._left and attempt - 1 - self._clean > DEATHS_MAX:
            self._give_up(Failure("TimeoutError", f"its worker died or froze {DEATHS_MAX + 1} times in a row"))
        while self._left and self._has_room:
            if self._is_stopping():
                raise self._goes_on("the worker ends", 0.0)
            item = self._left[0]
            call = self._call(item)
            outcome = await self._attempt(call)
            self._left.popleft()  # not before: who reports meanwhile has it in
            self._clean = max(self._clean, attempt - 1)
            self._conclude(item, options, outcome)
            self._report()
        if self._again and self._has_room:
            count = len(self._again)
            raise self._goes_on(f"{count} of {len(self._inputs)} items are tried again", self._again_seconds)
        return encode(ChunkEnd(tuple(self._done), (*self._left, *self._again)))

    @property
    def _has_room(self) -> bool:
        given_up = 0 <= self._failures_max < self._failed
        return self._done_bytes < DONE_BYTES_MAX and not given_up

    def _goes_on(self, why: str, seconds: float) -> ChunkUnfinishedError:
        self._clean = self._pattern.attempt
        return ChunkUnfinishedError(Failure("ChunkUnfinished", why), seconds)

    def _call(self, item: Left) -> TaskCall:
        pattern = self._pattern
        step = f"{pattern.step}[{item.index}]"
        key = pattern.options.idempotency_key
        return msgspec.structs.replace(
            pattern,
            step=step,
            input=self._inputs[item.index],
            attempt=item.attempt,
            idempotency_key=f"{key}[{item.index}]" if key else f"{pattern.execution}/{step}",
        )

    async def _attempt(self, call: TaskCall) -> AttemptOutcome:
        ended: asyncio.Future[AttemptOutcome] = asyncio.get_running_loop().create_future()

        def done(_: TaskCall, outcome: AttemptOutcome) -> None:
            if not ended.done():
                ended.set_result(outcome)

        try:
            running = self._runner.start(call, done)
        except UnknownNameError as error:
            # Another worker of the queue may know it.
            raise self._goes_on(str(error), UNKNOWN_SECONDS) from None
        except Exception as error:  # noqa: BLE001 - whatever it is, it is about this item
            return AttemptOutcome(0.0, 0.0, failure=describe_failure(error))
        outcome = ended.result() if ended.done() else await self._wait(ended, running)
        if outcome.cancelled:
            raise asyncio.CancelledError
        return outcome

    def _conclude(self, item: Left, options: TaskOptions, outcome: AttemptOutcome) -> None:
        result = outcome.result
        if result is not None and len(result) <= RESULT_BYTES_MAX:
            self._note(item, result, ok=True)
            return
        if result is not None:
            limit = f"{RESULT_BYTES_MAX:,} (RESULT_BYTES_MAX)"
            text = f"the result has {len(result):,} bytes, and on Temporal an item of map_tasks has at most {limit}"
            failure = Failure("PayloadTooLarge", text, retryable=False)
        else:
            failure = outcome.failure or Failure("RuntimeError", "the attempt ended without a result")
        if isinstance(failure, PutOff):
            self._try_again(Left(item.index, item.attempt), failure.seconds)
            return
        seconds = decide_retry(options.retry, item.attempt, failure, self._jitter())
        if seconds is None:
            self._note(item, encode(plain(failure)), ok=False)
        else:
            self._try_again(Left(item.index, item.attempt + 1), seconds)

    def _try_again(self, item: Left, seconds: float) -> None:
        self._again.append(item)
        self._again_seconds = max(self._again_seconds, seconds)

    def _note(self, item: Left, body: bytes, *, ok: bool) -> None:
        self._done.append(Done(item.index, ok, msgspec.Raw(body)))
        self._done_bytes += len(body)
        self._failed += not ok

    def _give_up(self, failure: Failure) -> None:
        while self._left:
            self._note(self._left.popleft(), encode(failure), ok=False)
