"""Runs that nobody owns, and how this member comes to own them.

Owns: which runs are asked for, their way into memory, and the parking of those that do not get there.
Must not know: how a history is read and replayed (`loading`); what happens to a run in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from holdfast.errors import DivergenceError, HoldfastError, StoreCorruptError, StoreError
from holdfast.history import ParkRun, RunResumed
from holdfast.observe import Meters, logger, warn_of
from holdfast.orchestrator.departures import Departures
from holdfast.orchestrator.dispatch import Dispatcher
from holdfast.orchestrator.live import Live
from holdfast.orchestrator.loading import load
from holdfast.orchestrator.mailbox import Mailbox
from holdfast.orchestrator.memory import Memory
from holdfast.orchestrator.standing import Standing
from holdfast.orchestrator.timers import DEADLINE, Timers
from holdfast.ports.operations import Append, ClaimedRun, ClaimRuns
from holdfast.ports.program import Guard, Versioned
from holdfast.ports.store import Store

log = logger("holdfast.orchestrator")

CLAIM_RUNS_MAX: Final = 256
"""Executions claimed in one go."""
LOAD_SECONDS_MAX: Final = 0.02
"""How long claimed runs are replayed before others get the event loop."""


class Claims:
    """Claims runs and brings them into memory."""

    def __init__(  # noqa: PLR0913 - the seams it stands between
        self,
        store: Store,
        standing: Standing,
        programs: Callable[[str], Versioned | None],
        guard: Guard,
        sign: Callable[[str, str, float], str],
        *,
        memory: Memory,
        timers: Timers,
        dispatcher: Dispatcher,
        departures: Departures,
        mailbox: Mailbox,
        meters: Meters,
        explain: Callable[[int, str, DivergenceError], Awaitable[DivergenceError]] | None,
    ) -> None:
        """Claim runs of `store`; see `Orchestrator` for what is not of this package."""
        self._store = store
        self._standing = standing
        self._programs = programs
        self._guard = guard
        self._sign = sign
        self._memory = memory
        self._timers = timers
        self._dispatcher = dispatcher
        self._departures = departures
        self._mailbox = mailbox
        self._meters = meters
        self._explain = explain

    async def claim(self, names: tuple[str, ...]) -> None:
        """Bring all runs of these workflows into memory that nobody owns."""
        if not names or self._standing.membership is None:
            return
        async with self._memory.arriving:
            while True:
                (claimed,) = await self._store.write([self._wanted(names)], self._standing.membership)
                await self.load_all(claimed)
                if len(claimed) < CLAIM_RUNS_MAX:
                    return

    async def load_all(self, claimed: Sequence[ClaimedRun]) -> None:
        """Bring runs into memory that this member has claimed."""
        clock = asyncio.get_running_loop().time
        yielded = clock()
        for each in claimed:
            if self._standing.membership is None:
                return  # the lease went meanwhile, and with it what was claimed
            await self._load(each)
            if clock() - yielded > LOAD_SECONDS_MAX:
                # Others want the loop too. Not after each: what a slice of time brought is committed together.
                await asyncio.sleep(0)
                yielded = clock()

    def _wanted(self, names: tuple[str, ...]) -> ClaimRuns:
        programs = [self._programs(name) for name in names]
        return ClaimRuns(
            names,
            CLAIM_RUNS_MAX,
            tuple(version_of(each) for each in programs),
            tuple(each.name for each in programs if each is not None and each.pinned),
        )

    async def _load(self, claimed: ClaimedRun) -> None:
        program = self._programs(claimed.workflow)
        if program is None or claimed.execution_id in self._memory.by_id:
            return
        try:
            live, tail = await load(
                self._store, self._guard, program, claimed.execution_id, claimed.run_id, claimed.execution, self._sign
            )
        except StoreCorruptError as error:
            await self._park(claimed, error)
            return
        except StoreError as error:
            warn_of(log, "run not loaded, trying again", error, **_about(claimed))
            self._departures.give_up(claimed.execution_id, None)
            return
        except HoldfastError as error:
            await self._park(claimed, error)
            return
        if self._standing.membership is None:
            live.execution.evict()
            return
        self._meters.replayed()
        live.unstable = claimed.recoveries > 0
        self._memory.admit(live)
        for step, due in list(live.timers.items()):
            self._timers.add(live, step, due)
        started = live.execution.runtime.started
        if started is not None and started.due:
            self._timers.add(live, DEADLINE, started.due)
        await self._mailbox.read_of(live)
        self._dispatcher.dispatch(live, tail)
        live.park = live.park or _parked_for(live)
        if live.unstable and not live.busy:
            # It came back and waits: whatever killed its owners, it was not this run.
            live.stable = True
        if live.is_dirty:
            self._memory.touch(live)

    async def _park(self, claimed: ClaimedRun, error: HoldfastError) -> None:
        if isinstance(error, DivergenceError) and self._explain is not None:
            error = await self._explain(claimed.execution_id, claimed.workflow, error)
        reason = f"DIVERGED {error}" if isinstance(error, DivergenceError) else f"UNREADABLE {error}"
        log.error("run parked", **_about(claimed), reason=reason)
        self._meters.park(reason)
        misfit = version_of(self._programs(claimed.workflow)) if isinstance(error, DivergenceError) else ""
        append = Append(claimed.execution_id, None, park=reason, misfit=misfit)
        await self._store.write([append], self._standing.membership)


def version_of(program: Versioned | None) -> str:
    """Return the code version that keeps runs apart; empty where there is no code."""
    return "" if program is None else program.code_version


def _about(claimed: ClaimedRun) -> dict[str, str]:
    """Return the fields that say in a log which run it is about."""
    return {"run_id": claimed.run_id, "execution": claimed.execution, "workflow": claimed.workflow}


def _parked_for(live: Live) -> str:
    """Return why an execution in memory is to be parked again: its code parked it, and nobody has resumed it."""
    if any(type(each) is RunResumed for each in live.entries):
        return ""
    commands = (each.command for each in live.execution.open.values())
    return next((each.reason for each in commands if type(each) is ParkRun), "")
