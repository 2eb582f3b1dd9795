"""The stack of a world, and the time it runs on.

Owns: the stack's life and crashes; when time moves, and where to.
Must not know: the verbs of a test, what answers for tasks.

Theory of operation
===================

Nothing happens between two calls. A call lets the stack run until everything waits; then it stops, or moves the clock
to the next moment at which anything is due and lets the stack run on. Two things stop it: what was called for is done,
or nothing is due before the call's limit: at once for what takes no time, a moment for `advance`, never for a result.

What is due is asked of five: the orchestrator (timers of runs in memory), the scheduler, whoever begins the runs of
gatherings, the store (retries, delayed work, leases), and the event loop (what task code waits for, and the time-outs
of attempts).

A crash strikes in the middle of something. From that moment nothing is written; the loop stops, the stack is dropped,
another one is started on the same store, and what was called for is called again.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from enum import Enum, auto
from random import Random
from typing import Final, TypeVar

from holdfast.app import Settings, Stack
from holdfast.errors import DivergenceError
from holdfast.orchestrator import Orchestrator, now_or_never
from holdfast.ports.bus import RUNS, TASKS
from holdfast.testing.world.loop import VirtualClock, VirtualLoop
from holdfast.testing.world.stand_ins import Cast
from holdfast.testing.world.surroundings import LEASE_SECONDS, WorldSurroundings

Result = TypeVar("Result")

MOVES_MAX: Final = 1_000_000
"""How often time moves within one call, at most: a workflow that never ends is an error, not a hang."""
GRACE_SECONDS: Final = 2.0
"""When nothing is due, this much time is given to what looks around now and then, before a call counts as stuck."""


class Stuck(Exception):  # noqa: N818 - caught by the world, which knows what to say
    """Nothing is due any more, and what was called for is not done."""


class _Stop(Enum):
    """Why the loop has stopped."""

    DONE = auto()
    IDLE = auto()
    CRASHED = auto()


class Driver:
    """Runs one stack after the other on one clock."""

    def __init__(self, settings: Settings, cast: Cast, start: float, chance: Random, *, replays: bool) -> None:
        """Drive stacks on the store of `settings`.

        Args:
            settings: see Settings.
            cast: what the test said about tasks.
            start: when the clock begins, in seconds since the epoch.
            chance: where all random numbers come from.
            replays: replay each history after each page.
        """
        self.clock = VirtualClock(start)
        self.divergences: list[DivergenceError] = []
        """What replays found and nobody was told yet."""
        self._settings = settings
        self._cast = cast
        self._chance = chance
        self._replays = replays
        self._loop = VirtualLoop(self.clock, self._idle, self._is_outside)
        self._stack: Stack | None = None
        self._surroundings: WorldSurroundings | None = None
        self._done: Callable[[], bool] = _never
        self._limit = 0.0
        self._moves = 0
        self._grace_until: float | None = None
        self._stop = _Stop.IDLE

    # --- The stack's life --------------------------------------------------------------------------------------------

    @property
    def stack(self) -> Stack:
        """The stack that runs."""
        assert self._stack is not None, "a world is entered before it is used"
        return self._stack

    def open(self) -> None:
        """Start a stack, and let it claim what is there."""
        self._surroundings = WorldSurroundings(
            self.clock, self._chance, self._cast, self._strike, self.divergences, replays=self._replays
        )
        stack = Stack(self._settings, self._cast.registry, surroundings=self._surroundings)
        self._finish(stack.open)
        self._stack = stack
        self._loop.note_own_sockets()
        self.settle()

    def close(self) -> None:
        """Stop the stack in good order, and the loop."""
        try:
            self._drop()
            self._finish(self._tidy_up)
        finally:
            self._loop.close()

    def crash(self) -> None:
        """Drop the stack as if it had been killed, and start another one."""
        assert self._surroundings is not None, "a world is entered before it is used"
        self._surroundings.sever()
        self._begin_again()

    def _strike(self) -> None:
        """Crash in the middle of a turn: whoever turns begins again."""
        assert self._surroundings is not None, "somebody's attempt strikes"
        self._surroundings.sever()
        self._stop = _Stop.CRASHED
        self._loop.stop()

    def _begin_again(self) -> None:
        log = logging.getLogger("holdfast")
        level = log.level
        log.setLevel(logging.CRITICAL + 1)  # what the stack says about its own death is no news here
        try:
            self._drop()
        finally:
            log.setLevel(level)
        self.open()

    def _drop(self) -> None:
        stack, self._stack = self._stack, None
        if stack is not None:
            self._finish(stack.close)

    async def _tidy_up(self) -> None:
        rest = [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        await self._loop.shutdown_asyncgens()
        await self._loop.shutdown_default_executor()

    # --- Calls -------------------------------------------------------------------------------------------------------

    def call(self, function: Callable[[], Awaitable[Result]]) -> Result:
        """Call a function in the world; time moves until it is done, then everything settles.

        It is called again after a crash, so it has to mean the same thing then. Raises Stuck.
        """
        while True:
            task = self._begin(function)
            stop = self._turn(task.done, math.inf)
            if task.done() and not task.cancelled():
                if stop is _Stop.CRASHED:
                    self._begin_again()
                self.settle()
                return task.result()
            task.cancel()
            if stop is not _Stop.CRASHED:
                self._turn(task.done, math.inf)
                raise Stuck
            self._begin_again()

    def settle(self) -> None:
        """Let everything happen that is due now."""
        self.advance_to(self.clock.now())

    def advance_to(self, time: float) -> None:
        """Let everything happen that is due until `time`, each thing at its time."""
        while self._turn(_never, time) is _Stop.CRASHED:
            self._begin_again()

    def _finish(self, function: Callable[[], Awaitable[None]]) -> None:
        """Call a function of the stack's life: every timer moves the clock for it."""
        task = self._begin(function)
        while not task.done():
            if self._turn(task.done, math.inf) is not _Stop.DONE:
                first = self._loop.next_timer()
                assert first is not None, "the stack waits for nothing that could come"
                self.clock.move_to(first)
        task.result()

    def _begin(self, function: Callable[[], Awaitable[Result]]) -> asyncio.Task[Result]:
        async def called() -> Result:
            return await function()

        task = self._loop.create_task(called(), name="holdfast world")
        task.add_done_callback(lambda _: self._loop.stop())
        return task

    # --- Time --------------------------------------------------------------------------------------------------------

    def _turn(self, done: Callable[[], bool], limit: float) -> _Stop:
        self._done, self._limit, self._moves, self._grace_until = done, limit, 0, None
        self._stop = _Stop.IDLE
        self._loop.turn()
        if self._stop is _Stop.IDLE and done():
            return _Stop.DONE
        return self._stop

    def _idle(self) -> None:
        """Move the clock to what is due next, or stop: everything waits."""
        now = self.clock.now()
        due, is_stored = self._next_due(now)
        if self._done() or self._moves >= MOVES_MAX:
            self._loop.stop()
        elif due is not None and due <= self._limit:
            self._moves += 1
            self._grace_until = None
            self.clock.move_to(due)
            if is_stored:
                self.stack.bus.ring([RUNS, TASKS])
        elif self._limit < math.inf:
            if now >= self._limit:
                self._loop.stop()
            self.clock.move_to(self._limit)
        else:
            self._look_around(now)

    def _look_around(self, now: float) -> None:
        if self._grace_until is None:
            self._grace_until = now + GRACE_SECONDS
        first = self._loop.next_timer()
        if first is None or first > self._grace_until:
            self._loop.stop()
        else:
            self.clock.move_to(first)

    def _next_due(self, now: float) -> tuple[float | None, bool]:
        """Return when anything is due next, and whether it is the store that knows about it."""
        known = list(self._loop.waits())
        stored = None
        if self._stack is not None:
            local = self._stack.local
            if isinstance(local, Orchestrator) and local.next_due is not None:
                known.append(local.next_due)
            loops = (self._stack.scheduler, self._stack.gatherer)
            known += [each.next_due for each in loops if each is not None and each.next_due is not None]
            stored = now_or_never(self._stack.store.next_wake(now))
            if stored is not None and stored > now + LEASE_SECONDS / 2:
                stored = None  # the end of our own lease
        first = min(known, default=None)
        if stored is not None and (first is None or stored <= first):
            return stored, True
        return first, False

    def _is_outside(self) -> bool:
        return self._surroundings is not None and self._surroundings.is_outside


def _never() -> bool:
    return False
