"""A member's work on queued tasks and fan-outs: claim, run, hand in.

Owns: the slots of each pool, what is claimed, and the one writer that hands in and claims.
Must not know: how attempts run, how a store works, who renews the member's lease.

Theory of operation
===================

One coroutine writes. Each of its writes hands in everything that ended since the last one, and claims as much as there
are free slots - if there may be anything to claim: somebody rang, the last claim was answered in full, a delayed row
has become due, or nobody looked for a while. So a busy worker makes one commit for many outcomes and many claims, and
an idle one looks slowly, at times that differ from worker to worker.

A queued task takes one slot of its pool; a chunk takes one slot for each of its items that is waiting for something.
Items that do not wait are run in slices of SLICE_SECONDS, so that they do not keep the loop from anything else.

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
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from holdfast.errors import FencedError, HoldfastError
from holdfast.history import Failure, TaskFailed, describe_failure
from holdfast.observe import logger
from holdfast.ports.bus import TASKS, Bus
from holdfast.ports.clock import Clock
from holdfast.ports.operations import (
    BeatTasks,
    ChunkState,
    ClaimChunks,
    ClaimedChunk,
    ClaimedTask,
    ClaimTasks,
    FinishTask,
    ItemOutcome,
    Membership,
    Operation,
    RecordItems,
    ReleaseTasks,
)
from holdfast.ports.store import Store
from holdfast.ports.task import AttemptOutcome, TaskCall, TaskRunner
from holdfast.worker.chunk import ChunkRun
from holdfast.worker.claimed import ClaimedRun

POLL_SECONDS: Final = 2.0
"""How often an idle worker looks although nobody rang, on average."""
PROGRESS_SECONDS: Final = 0.5
"""How often progress is written down, at most."""
CHECK_SECONDS: Final = 1.0
"""How often it is asked whether running work is still wanted."""
WAKE_SECONDS: Final = 0.02
"""How often the store is asked, at most, when the next delayed row is due."""
SLICE_SECONDS: Final = 0.005
"""How long items that do not wait are run in one go."""
CHUNKS_AHEAD: Final = 4
"""How many chunks are claimed at once when the last one took less than QUICK_SECONDS."""
QUICK_SECONDS: Final = 0.1
HAND_IN_SECONDS: Final = 5.0
"""How long a closing worker tries to hand in its last outcomes."""
STORE_RETRY_SECONDS: Final = (0.05, 0.2, 1.0)
"""Waits after writes that failed; the last one repeats."""

Answer = Callable[[Any], None]
log = logger("holdfast.worker")
_encode: Final = msgspec.msgpack.Encoder().encode


class Tasks(Protocol):
    """Which tasks this process knows."""

    @property
    def tasks(self) -> Mapping[str, Any]:
        """Return definitions by name."""


class Pool:
    """The slots of one pool."""

    def __init__(self, name: str, slots: int) -> None:
        self.name = name
        self.slots = slots
        self.busy = 0
        self.chunks: deque[ChunkRun] = deque()
        """Chunks with items that wait for a slot."""
        self.ahead = 1
        """How many chunks to claim next time."""
        self.more_tasks = True
        """Whether the queue may hold tasks of this pool."""
        self.more_chunks = True
        """Whether there may be unclaimed chunks of this pool."""

    @property
    def free(self) -> int:
        """How many slots are free."""
        return max(0, self.slots - self.busy)

    @property
    def unstarted(self) -> int:
        """How many items of claimed chunks wait for a slot."""
        return sum(chunk.unstarted for chunk in self.chunks)


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
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        """Serve `pools` (slots by name) as `membership`.

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
        self._poll_seconds = poll_seconds
        self._tasks: dict[int, ClaimedRun] = {}
        self._chunks: dict[int, ChunkRun] = {}
        self._outbox: list[tuple[Operation, Answer | None]] = []
        self._writing: list[tuple[Operation, Answer | None]] = []
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._turn = 0
        self._claimed_at = 0.0
        self._poll_at = 0.0
        self._wake_at: float | None = None
        self._asked_at = 0.0
        self._checked_at = 0.0
        self._claiming = True
        self._ending = False
        self._lost = False
        self._slicing = False
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
        if self._ticker is not None:
            self._ticker.cancel()
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
            pool.more_tasks = pool.more_chunks = True

    async def _wait(self) -> None:
        """Wait until there is something to write, or it is time to look."""
        self._changed.clear()
        if self._outbox or self._writing:
            return
        if not self._claiming or any(pool.more_tasks or pool.more_chunks for pool in self._pools.values()):
            if not self._claims():
                # No slot is free, or the odd one is the items' turn. One that becomes free says so.
                self._turn += 1
                self._start_items()
                await self._changed.wait()
            return
        now = self._clock.now()
        asked = self._asked_at + WAKE_SECONDS <= now
        if asked:
            self._asked_at = now
            self._wake_at = await self._store.next_wake(self._claimed_at)
        due = self._poll_at
        if self._wake_at is not None:
            due = min(due, self._wake_at)
        wait = due - now if asked else min(due - now, WAKE_SECONDS)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(wait, 0.0)):
                await self._changed.wait()
        if self._clock.now() >= due:
            self._look_again()

    def _claims(self) -> list[ClaimTasks | ClaimChunks]:
        if not self._claiming or self._lost:
            return []
        tasks: list[tuple[str, int]] = []
        chunks: list[tuple[str, int]] = []
        for pool in self._pools.values():
            free, unstarted = pool.free, pool.unstarted
            if not free:
                continue
            # Items at hand and tasks in the queue share what is free; the odd slot goes to either in turn.
            share = free if not unstarted else (free + self._turn % 2) // 2
            if share and pool.more_tasks:
                tasks.append((pool.name, share))
            if not unstarted and pool.more_chunks:
                chunks.append((pool.name, min(pool.ahead, free)))
        if not tasks and not chunks:
            return []
        known = tuple(self._registry.tasks)
        claims: list[ClaimTasks | ClaimChunks] = []
        if tasks:
            claims.append(ClaimTasks(tuple(tasks), known))
        if chunks:
            claims.append(ClaimChunks(tuple(chunks), known))
        return claims

    # --- The one writer ----------------------------------------------------------------------------------------------

    async def _write_forever(self) -> None:
        failures = 0
        while not self._lost and not (self._ending and not self._outbox and not self._writing):
            try:
                await self._wait()
                await self._write()
                failures = 0
            except FencedError:
                self._lose()
            except Exception as error:  # noqa: BLE001 - a worker that stops writing would hold its work for ever
                # What was being written is written again, see the module's docstring.
                log.warning("the store refused; trying again", error=f"{type(error).__name__}: {error}")
                await asyncio.sleep(STORE_RETRY_SECONDS[min(failures, len(STORE_RETRY_SECONDS) - 1)])
                failures += 1

    async def _write(self) -> None:
        self._turn += 1
        claims = self._claims()
        self._writing += self._outbox
        self._outbox.clear()
        if claims or self._writing:
            await self._commit(claims)
        self._start_items()
        self._settle()

    async def _commit(self, claims: list[ClaimTasks | ClaimChunks]) -> None:
        if claims:
            self._note_more(claims, more=False)  # a ring from now on is news
            self._claimed_at = self._clock.now()
            self._poll_at = self._claimed_at + self._poll_seconds * (0.5 + self._random())
        try:
            results = await self._store.write([*(each for each, _ in self._writing), *claims], self._membership)
        except BaseException:
            self._note_more(claims, more=True)
            raise
        written, self._writing = self._writing, []
        for (operation, answer), result in zip(written, results, strict=False):
            if answer is not None:
                answer(result)
            elif isinstance(result, HoldfastError):
                log.info("an outcome came too late", operation=type(operation).__name__, reason=str(result))
        for claim, result in zip(claims, results[len(written) :], strict=True):
            if isinstance(result, HoldfastError):
                log.warning("a claim was refused", reason=str(result))
            else:
                self._take(claim, result)

    def _send(self, operation: Operation, answer: Answer | None = None) -> None:
        self._outbox.append((operation, answer))
        self._changed.set()

    def _settle(self) -> None:
        if not (self._tasks or self._chunks or self._outbox or self._writing):
            self._idle.set()
        else:
            self._idle.clear()

    # --- Queued tasks ------------------------------------------------------------------------------------------------

    def _take(self, claim: ClaimTasks | ClaimChunks, claimed: tuple[ClaimedTask | ClaimedChunk, ...]) -> None:
        asked = dict(claim.pools)
        for each in claimed:
            asked[each.pool] -= 1
            if not self._claiming:
                self._decline(each)
                continue
            try:
                if isinstance(each, ClaimedTask):
                    self._start_task(each)
                else:
                    self._start_chunk(each)
            except msgspec.MsgspecError as error:  # queued by another version, in words this one does not know
                self._refuse(each, describe_failure(error))
        full = tuple((pool, 0) for pool, left in asked.items() if left <= 0)
        self._note_more([msgspec.structs.replace(claim, pools=full)], more=True)

    def _note_more(self, claims: Sequence[ClaimTasks | ClaimChunks], *, more: bool) -> None:
        for claim in claims:
            for name, _ in claim.pools:
                if isinstance(claim, ClaimTasks):
                    self._pools[name].more_tasks = more
                else:
                    self._pools[name].more_chunks = more

    def _refuse(self, claimed: ClaimedTask | ClaimedChunk, failure: Failure) -> None:
        if isinstance(claimed, ClaimedTask):
            failed = TaskFailed(self._clock.now(), -1, claimed.step, failure, (), self._name)
            self._send(FinishTask(claimed.task_id, claimed.token, _encode(failed)))
        else:
            outcomes = tuple(ItemOutcome(index, False, _encode(failure)) for index, _ in claimed.items)
            self._send(RecordItems(claimed.chunk_id, claimed.token, outcomes, done=True))

    def _decline(self, claimed: ClaimedTask | ClaimedChunk) -> None:
        # Claimed in the very write during which the worker was told to stop.
        if isinstance(claimed, ClaimedTask):
            self._send(ReleaseTasks((claimed.task_id,)))
        else:
            self._send(RecordItems(claimed.chunk_id, claimed.token, (), done=True))

    def _start_task(self, claimed: ClaimedTask) -> None:
        run = ClaimedRun(claimed)
        pool = self._pools[claimed.pool]
        self._tasks[claimed.task_id] = run
        pool.busy += 1

        def done(_: TaskCall, outcome: AttemptOutcome) -> None:
            self._task_ended(run, outcome)

        try:
            run.running = self._runner.start(run.call, done)
        except HoldfastError as error:  # its code is gone since the claim
            now = self._clock.now()
            done(run.call, AttemptOutcome(now, now, failure=describe_failure(error)))

    def _task_ended(self, run: ClaimedRun, outcome: AttemptOutcome) -> None:
        claimed = run.claimed
        self._pools[claimed.pool].busy -= 1
        if self._tasks.get(claimed.task_id) is run:
            del self._tasks[claimed.task_id]
            if outcome.cancelled:
                self._send(ReleaseTasks((claimed.task_id,)))
            else:
                for operation in run.conclude(outcome, self._name, self._random):
                    self._send(operation, _ignore if isinstance(operation, BeatTasks) else None)
            self._settle()
        self._slot_freed(self._pools[claimed.pool])

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

    def _record(self, run: ChunkRun, operation: RecordItems) -> None:
        if operation.done:
            quick = self._clock.now() - run.started_at < QUICK_SECONDS
            self._pools[run.chunk.pool].ahead = CHUNKS_AHEAD if quick else 1

        def answer(result: Any) -> None:
            wanted = isinstance(result, ChunkState) and result.wanted and not result.finished
            if operation.done or not wanted:
                self._chunks.pop(run.chunk.chunk_id, None)
                run.stop()
            self._settle()

        self._send(operation, answer)

    def _slot_freed(self, pool: Pool) -> None:
        if pool.more_tasks or not pool.chunks:
            self._changed.set()  # the writer shares the slot out
        elif not self._slicing:
            self._start_items()

    def _start_items(self) -> None:
        """Start items of claimed chunks in free slots, for one slice of time."""
        self._slicing = True
        deadline = time.monotonic() + SLICE_SECONDS
        try:
            for pool in self._pools.values():
                while pool.chunks and pool.busy < pool.slots and not self._lost:
                    chunk = pool.chunks[0]
                    if not chunk.unstarted:
                        pool.chunks.popleft()
                        continue
                    occupies = chunk.start_next()  # may itself change how many are busy
                    pool.busy += occupies
                    if time.monotonic() > deadline:
                        asyncio.get_running_loop().call_soon(self._start_items)
                        return
        finally:
            self._slicing = False

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
        beats = []
        for task_id, run in self._tasks.items():
            progress = run.progress()
            if check or progress is not None:
                beats.append((task_id, run.claimed.token, progress or b""))
        if beats and not self._lost:
            self._send(BeatTasks(tuple(beats)), self._drop_unwanted)

    def _drop_unwanted(self, result: Any) -> None:
        if isinstance(result, HoldfastError):
            return
        for task_id in result:
            run = self._tasks.pop(task_id, None)  # first: its end is not to be handed in
            if run is not None and run.running is not None:
                run.running.cancel()
        self._settle()

    # --- The end -----------------------------------------------------------------------------------------------------

    def _lose(self) -> None:
        """Stop everything at once: somebody else has the work."""
        self._lost = True
        self._claiming = False
        log.warning("this worker was taken for dead; its work goes on elsewhere", member=self._membership.member)
        self._outbox.clear()
        self._writing.clear()
        self._stop_all()
        self._idle.set()
        if self._fenced is not None:
            self._fenced()

    def _give_back(self) -> None:
        chunks, self._chunks = dict(self._chunks), {}
        tasks = self._stop_tasks()
        if tasks and not self._lost:
            self._send(ReleaseTasks(tasks))
        for chunk in chunks.values():
            if not chunk.over and not self._lost:
                chunk.flush(done=True)
            chunk.stop()

    def _stop_all(self) -> None:
        for chunk in list(self._chunks.values()):
            chunk.stop()
        self._chunks.clear()
        self._stop_tasks()

    def _stop_tasks(self) -> tuple[int, ...]:
        runs, self._tasks = self._tasks, {}
        for run in runs.values():
            if run.running is not None:
                run.running.cancel()
        return tuple(runs)


def _ignore(_: Any) -> None:
    """Do nothing: progress that came too late is no loss."""
