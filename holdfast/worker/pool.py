"""A member's work on queued tasks and fan-outs: claim, run, hand in.

Owns: what is claimed, the one writer that hands in and claims, when to look for work.
Must not know: how attempts run, how a store works, who renews the member's lease.

Theory of operation
===================

One coroutine writes. Each of its writes hands in everything that ended since the last one, and claims as much as there
are free slots - if there may be anything to claim: somebody rang, the last claim was answered in full, a delayed row
has become due, or nobody looked for a while. So a busy worker makes one commit for many outcomes and many claims, and
an idle one looks slowly, at times that differ from worker to worker.

Items of fan-outs that do not wait are run in slices of SLICE_SECONDS, so that they do not keep the loop from anything.

What was claimed is held until the store has the outcome. A write that fails is written again: tokens make a second try
harmless. A write that is *fenced* says that this member was taken for dead; everything is stopped at once, and nothing
is handed in, because somebody else has the work now.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import msgspec

from holdfast.errors import FencedError, HoldfastError
from holdfast.history import Failure, TaskFailed, describe_failure, is_encrypted, key_id_of
from holdfast.observe import logger, warn_of
from holdfast.ports.bus import TASKS, Bus
from holdfast.ports.clock import Clock
from holdfast.ports.operations import (
    HELD_MAX,
    BeatTasks,
    ChunkState,
    ClaimedChunk,
    ClaimedTask,
    ClaimTasks,
    FinishTask,
    HoldPrefixes,
    ItemOutcome,
    Membership,
    Operation,
    RecordItems,
    ReleaseTasks,
    RetryTask,
)
from holdfast.ports.store import Store
from holdfast.ports.task import AttemptOutcome, TaskCall, TaskRunner
from holdfast.worker.chunk import ChunkRun
from holdfast.worker.claimed import ClaimedRun
from holdfast.worker.lateness import Lateness
from holdfast.worker.outbox import Answer, Outbox
from holdfast.worker.slots import Claim, Pool, decide_claims, note_more

POLL_SECONDS: Final = 2.0
"""How often an idle worker looks although nobody rang, on average."""
REST_FACTOR: Final = 6
"""How many times as long it waits between looks where rings arrive: ten idle workers are to cost a database little."""
PROGRESS_SECONDS: Final = 0.5
"""How often progress is written down, at most."""
CHECK_SECONDS: Final = 1.0
"""How often it is asked whether running work is still wanted."""
QUIET_SECONDS: Final = 0.02
"""How long nothing has to happen before the store is asked when the next delayed row is due."""
SLICE_SECONDS: Final = 0.005
"""How long items that do not wait are run in one go."""
HAND_IN_SECONDS: Final = 5.0
"""How long a closing worker tries to hand in its last outcomes."""
STORE_RETRY_SECONDS: Final = (0.05, 0.2, 1.0)
"""Waits after writes that failed; the last one repeats."""

OLDEST_EVERY: Final = 8
"""After so many tasks it takes the oldest, whoever holds its prefix."""
KEY_WAIT_SECONDS: Final = 15.0
"""How long work is put off whose input this process has no key for."""

log = logger("holdfast.worker")
_encode: Final = msgspec.msgpack.Encoder().encode


class Tasks(Protocol):
    """Which tasks this process knows."""

    @property
    def tasks(self) -> Mapping[str, Any]:
        """Return definitions by name."""


class PoolWorker:
    """Serves pools as a member. The membership's lease is somebody else's business."""

    def __init__(  # noqa: PLR0913 - the composition root names all of them
        self,
        store: Store,
        membership: Membership,
        registry: Tasks,
        runner: TaskRunner,
        bus: Bus,
        pools: dict[str, int],
        clock: Clock,
        random: Callable[[], float],
        *,
        name: str = "",
        fenced: Callable[[], None] | None = None,
        holdings: Callable[[], Mapping[str, float]] = dict,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        """Serve `pools` as `membership`.

        Args:
            store: where the work is.
            membership: proof of who writes.
            registry: which tasks may be claimed.
            runner: what runs attempts.
            bus: whose rings say that there may be work.
            pools: slots by name.
            clock: where times come from.
            random: uniform in [0, 1).
            name: how outcomes say who did it; default host and process id.
            fenced: called once when the store says that this member is a zombie.
            holdings: says which prefixes of prompts this process holds: digest to seconds.
            poll_seconds: how often to look although nobody rang, on average.
        """
        self._store = store
        self._membership = membership
        self._registry = registry
        self._runner = runner
        self._bus = bus
        self._pools = {each: Pool(each, slots) for each, slots in pools.items()}
        self._clock = clock
        self._random = random
        self._name = name or f"{socket.gethostname()}:{os.getpid()}"
        self._fenced = fenced
        self._holdings = holdings
        self._held: dict[str, float] = {}
        self._since_oldest = 0
        self._poll_seconds = poll_seconds
        self._tasks: dict[int, ClaimedRun] = {}
        self._lateness = Lateness()
        self._chunks: dict[int, ChunkRun] = {}
        self._outbox = Outbox()
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._turn = 0
        self._claimed_at = 0.0
        self._claiming_at = 0.0
        self._starts_within = 0.0
        self._poll_at = 0.0
        self._wake_at: float | None = None
        self._asked_for = -1.0
        self._checked_at = 0.0
        self._claiming = True
        self._ending = False
        self._lost = False
        self._slicing = False
        self._next_slice: asyncio.Handle | None = None
        self._quiet: Callable[[], None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._ticker: asyncio.TimerHandle | None = None

    @property
    def in_flight(self) -> int:
        """How many queued tasks and chunks this worker holds."""
        return len(self._tasks) + len(self._chunks)

    async def open(self) -> None:
        """Begin to claim."""
        self._quiet = self._bus.listen(self._rung)
        self._writer = asyncio.create_task(self._write_forever(), name="holdfast worker")
        self._tick()

    async def close(self, drain_seconds: float) -> None:
        """Claim no more, wait for what runs, give back the rest untried.

        Args:
            drain_seconds: how long to wait, at most.
        """
        self._claiming = False
        for chunk in list(self._chunks.values()):
            chunk.forget_unstarted()
        self._changed.set()
        self._settle()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(drain_seconds):
                await self._idle.wait()
        self._give_back()
        self._ending = True
        self._changed.set()
        if self._quiet is not None:
            self._quiet()
            self._quiet = None
        for handle in (self._ticker, self._next_slice):
            if handle is not None:
                handle.cancel()
        if self._writer is not None:
            await asyncio.wait([self._writer], timeout=HAND_IN_SECONDS)
            if not self._writer.done():
                log.warning("outcomes could not be handed in; others will repeat that work")
                self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)

    # --- When to look ------------------------------------------------------------------------------------------------

    def _rung(self, topics: frozenset[str]) -> None:
        if TASKS in topics:
            self._look_again()
            self._changed.set()

    def _look_again(self) -> None:
        for pool in self._pools.values():
            pool.look_again()

    async def _wait(self) -> None:
        """Wait until there is something to write, or it is time to look."""
        self._changed.clear()
        if self._outbox:
            return
        if not self._claiming or any(pool.more_tasks or pool.more_chunks for pool in self._pools.values()):
            if not self._claims():  # no slot is free; one that becomes so says it
                await self._changed.wait()
            return
        if self._asked_for != self._claimed_at:
            # Each claim takes what has become due, and each row that will be is rung for: one question for each claim
            # is enough, and none is needed while one claim follows another.
            if await self._changes_within(QUIET_SECONDS):
                return
            self._wake_at = await self._store.next_wake(self._claimed_at)
            self._asked_for = self._claimed_at
        due = self._poll_at if self._wake_at is None else min(self._poll_at, self._wake_at)
        await self._changes_within(due - self._clock.now())
        if self._clock.now() >= due:
            self._look_again()

    async def _changes_within(self, seconds: float) -> bool:
        """Wait until something has changed, but no longer than so many seconds; say whether it has."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0.0)):
                await self._changed.wait()
        return self._changed.is_set()

    def _claims(self) -> list[Claim]:
        if not self._claiming:
            return []
        return decide_claims(
            self._pools.values(),
            tuple(self._registry.tasks),
            self._turn,
            self._lateness.seconds,
            oldest=self._since_oldest >= OLDEST_EVERY - 1,
        )

    # --- The one writer ----------------------------------------------------------------------------------------------

    async def _write_forever(self) -> None:
        failures = 0
        while not self._lost and (self._outbox or not self._ending):
            try:
                await self._wait()
                await self._write()
                failures = 0
            except FencedError:
                self._lose()
            except Exception as error:  # noqa: BLE001 - a worker that stops writing would hold its work for ever
                # What was being written is written again, see the module's docstring.
                warn_of(log, "the store refused; trying again", error)
                await asyncio.sleep(STORE_RETRY_SECONDS[min(failures, len(STORE_RETRY_SECONDS) - 1)])
                failures += 1

    async def _write(self) -> None:
        self._turn += 1
        claims = self._claims()
        if claims or self._outbox:
            await self._commit(claims)
        self._start_items()
        self._settle()

    async def _commit(self, claims: list[Claim]) -> None:
        if claims:
            note_more(self._pools, claims, more=False)  # a ring from now on is news
            self._claimed_at = self._clock.now()
            rest = self._poll_seconds * (REST_FACTOR if self._bus.reaches else 1)
            self._poll_at = self._claimed_at + rest * (0.5 + self._random())
            self._say_what_is_held()
        operations = self._outbox.take()
        self._claiming_at = asyncio.get_running_loop().time()
        self._starts_within = self._lateness.seconds  # as the claims say
        try:
            results = await self._store.write([*operations, *claims], self._membership)
        except BaseException:
            note_more(self._pools, claims, more=True)
            raise
        self._outbox.settle(results[: len(operations)])
        for claim, result in zip(claims, results[len(operations) :], strict=True):
            if isinstance(result, HoldfastError):
                log.warning("a claim was refused", reason=str(result))
            else:
                self._take(claim, result)

    def _say_what_is_held(self) -> None:
        """Have it written which prefixes are held here, where that has changed: the claims behind it go by it."""
        held = dict(list(self._holdings().items())[:HELD_MAX])
        if held != self._held:
            self._held = held
            self._outbox.put(HoldPrefixes(held))

    def _send(self, operation: Operation, answer: Answer | None = None) -> None:
        self._outbox.put(operation, answer)
        self._changed.set()

    def _settle(self) -> None:
        if self._tasks or self._chunks or self._outbox:
            self._idle.clear()
        else:
            self._idle.set()

    # --- What was claimed --------------------------------------------------------------------------------------------

    def _take(self, claim: Claim, claimed: tuple[ClaimedTask | ClaimedChunk, ...]) -> None:
        asked = dict(claim.pools)
        if isinstance(claim, ClaimTasks) and claimed:
            self._since_oldest = 0 if claim.oldest else self._since_oldest + len(claimed)
        for each in claimed:
            asked[each.pool] -= 1
            try:
                if not self._claiming:
                    self._decline(each)
                elif is_encrypted(_input_of(each)):
                    self._put_off(each)
                elif isinstance(each, ClaimedTask):
                    self._start_task(each)
                else:
                    self._start_chunk(each)
            except Exception as error:  # noqa: BLE001 - one bad item, say of another version, must not end the batch
                self._refuse(each, describe_failure(error))
        full = tuple((pool, 0) for pool, left in asked.items() if left <= 0)
        note_more(self._pools, [msgspec.structs.replace(claim, pools=full)], more=True)

    def _decline(self, claimed: ClaimedTask | ClaimedChunk) -> None:
        # Claimed in the very write during which the worker was told to stop.
        if isinstance(claimed, ClaimedTask):
            self._send(ReleaseTasks((claimed.task_id,)))
        else:
            self._send(RecordItems(claimed.chunk_id, claimed.token, (), done=True))

    def _put_off(self, claimed: ClaimedTask | ClaimedChunk) -> None:
        # It came out of the store undecrypted. Whoever has the key may claim it next; nothing of it is lost.
        later = self._clock.now() + KEY_WAIT_SECONDS
        if isinstance(claimed, ClaimedTask):
            self._send(RetryTask(claimed.task_id, claimed.token, later, claimed.failures, tried=False))
        else:
            indexes = tuple(index for index, _ in claimed.items)
            put_off = RecordItems(claimed.chunk_id, claimed.token, (), done=True, put_off=indexes, put_off_until=later)
            self._send(put_off)
        log.error(
            "the input of a task cannot be decrypted here; it is put off",
            run_id=claimed.run_id,
            step=claimed.step,
            key_id=key_id_of(_input_of(claimed)),
            remedy="give this process the key: encryption_keys",
        )

    def _refuse(self, claimed: ClaimedTask | ClaimedChunk, failure: Failure) -> None:
        if isinstance(claimed, ClaimedTask):
            failed = TaskFailed(self._clock.now(), -1, claimed.step, failure, (), self._name)
            self._send(FinishTask(claimed.task_id, claimed.token, _encode(failed), claimed.execution_id, claimed.step))
        else:
            outcomes = tuple(ItemOutcome(index, False, _encode(failure)) for index, _ in claimed.items)
            self._send(RecordItems(claimed.chunk_id, claimed.token, outcomes, done=True, fan_out_id=claimed.fan_out_id))

    # --- Queued tasks ------------------------------------------------------------------------------------------------

    def _start_task(self, claimed: ClaimedTask) -> None:
        run = ClaimedRun(claimed, self._claiming_at, self._starts_within)
        self._tasks[claimed.task_id] = run
        self._pools[claimed.pool].busy += 1

        def done(_: TaskCall, outcome: AttemptOutcome) -> None:
            self._task_ended(run, outcome)

        if run.call.start_by:
            since = self._claiming_at + claimed.waited
            self._lateness.note(asyncio.get_running_loop().time() - since)
        try:
            run.running = self._runner.start(run.call, done)
        except Exception as error:  # noqa: BLE001 - perhaps its code is gone since the claim; it has a slot already
            now = self._clock.now()
            done(run.call, AttemptOutcome(now, now, failure=describe_failure(error)))

    def _task_ended(self, run: ClaimedRun, outcome: AttemptOutcome) -> None:
        claimed = run.claimed
        pool = self._pools[claimed.pool]
        pool.busy -= 1
        if self._tasks.get(claimed.task_id) is run:
            del self._tasks[claimed.task_id]
            if outcome.cancelled:
                self._send(ReleaseTasks((claimed.task_id,)))
            else:
                for operation in run.conclude(outcome, self._name, self._random):
                    self._send(operation, _ignore if isinstance(operation, BeatTasks) else None)
            self._settle()
        self._slot_freed(pool)

    # --- Fan-outs ----------------------------------------------------------------------------------------------------

    def _start_chunk(self, claimed: ClaimedChunk) -> None:
        pool = self._pools[claimed.pool]

        def freed(_: ChunkRun) -> None:
            pool.busy -= 1
            self._slot_freed(pool)

        run = ChunkRun(claimed, self._runner, self._clock, self._random, self._record, freed)
        self._chunks[claimed.chunk_id] = run
        if run.unstarted:
            pool.chunks.append(run)
        else:
            run.flush(done=True)

    def _record(self, run: ChunkRun, operation: RecordItems, *along: Operation) -> None:
        if operation.done:
            self._pools[run.chunk.pool].note_duration(self._clock.now() - run.started_at)

        def answer(result: Any) -> None:
            wanted = isinstance(result, ChunkState) and result.wanted and not result.finished
            if operation.done or not wanted:
                self._chunks.pop(run.chunk.chunk_id, None)
                run.stop()
            self._settle()

        self._send(operation, answer)
        for each in along:
            self._send(each)

    def _slot_freed(self, pool: Pool) -> None:
        if pool.more_tasks or not pool.chunks:
            self._changed.set()  # the writer shares the slot out
        elif not self._slicing:
            self._start_items()

    def _start_items(self) -> None:
        """Start items of claimed chunks in free slots, for one slice of time."""
        if self._lost or self._next_slice is not None:
            return
        self._slicing = True
        deadline = time.monotonic() + SLICE_SECONDS
        try:
            for pool in self._pools.values():
                while (chunk := pool.next_chunk()) is not None:
                    occupies = chunk.start_next()  # may itself change how many are busy
                    pool.busy += occupies
                    if time.monotonic() > deadline:
                        self._next_slice = asyncio.get_running_loop().call_soon(self._slice)
                        return
        finally:
            self._slicing = False

    def _slice(self) -> None:
        self._next_slice = None
        self._start_items()

    # --- Progress, and what is no longer wanted ----------------------------------------------------------------------

    def _tick(self) -> None:
        self._ticker = asyncio.get_running_loop().call_later(PROGRESS_SECONDS, self._tick)
        now = self._clock.now()
        check = self._checked_at + CHECK_SECONDS <= now
        if check:
            self._checked_at = now
            for chunk in list(self._chunks.values()):
                if not chunk.over and chunk.recorded_at + CHECK_SECONDS <= now:
                    chunk.flush()
        beats: list[tuple[int, int, bytes]] = []
        for task_id, run in self._tasks.items():
            progress = run.progress()
            if check or progress is not None:
                beats.append((task_id, run.claimed.token, progress or b""))
        if beats and not self._lost:
            tokens = {task_id: token for task_id, token, _ in beats}
            self._send(BeatTasks(tuple(beats)), lambda result: self._drop_unwanted(result, tokens))

    def _drop_unwanted(self, result: Any, tokens: dict[int, int]) -> None:
        if isinstance(result, HoldfastError):
            return
        for task_id in result:
            run = self._tasks.get(task_id)
            if run is not None and run.claimed.token == tokens[task_id]:  # not claimed anew meanwhile
                del self._tasks[task_id]  # first: its end is not to be handed in
                if run.running is not None:
                    run.running.cancel()
        self._settle()

    # --- The end -----------------------------------------------------------------------------------------------------

    def _lose(self) -> None:
        """Stop everything at once: somebody else has the work."""
        self._lost = True
        self._claiming = False
        log.warning("this worker was taken for dead; its work goes on elsewhere", member=self._membership.member)
        self._outbox.clear()
        self._stop_tasks()
        chunks, self._chunks = self._chunks, {}
        for chunk in chunks.values():
            chunk.stop()
        self._outbox.clear()
        self._idle.set()
        if self._fenced is not None:
            self._fenced()

    def _give_back(self) -> None:
        tasks = self._stop_tasks()
        chunks, self._chunks = self._chunks, {}
        for chunk in chunks.values():
            if not chunk.over and not self._lost:
                chunk.flush(done=True)
            chunk.stop()
        if tasks and not self._lost:
            self._send(ReleaseTasks(tasks))

    def _stop_tasks(self) -> tuple[int, ...]:
        runs, self._tasks = self._tasks, {}
        for run in runs.values():
            if run.running is not None:
                run.running.cancel()
        return tuple(runs)


def _ignore(_: Any) -> None:
    """Do nothing: progress that came too late is no loss."""


def _input_of(claimed: ClaimedTask | ClaimedChunk) -> bytes:
    """Return an input that says whether all of them can be read: they were decrypted together or not at all."""
    if isinstance(claimed, ClaimedTask):
        return claimed.input
    return claimed.items[0][1] if claimed.items else b""
