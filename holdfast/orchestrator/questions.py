"""Queries and updates, and who answers them.

Owns: where an answer comes from: an execution in memory, one that is claimed for it, or a replay of what is stored.
Must not know: how an update's answer becomes durable.

Questions of this process come by call, those of others as request rows; both are answered by `ask`. Only the owner
answers an update, because an accepted one is an event. A query changes nothing, so that anybody with the code answers
it for a run that is closed, parked, paused or on its way elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from holdfast.engine import Execution, recover
from holdfast.errors import (
    HoldfastError,
    QueryError,
    RunClosedError,
    RunNotFoundError,
    RunStateError,
    StoreCorruptError,
    StoreError,
    UnknownNameError,
    UpdateFailedError,
    UpdateRejectedError,
)
from holdfast.history import UNASKED, UpdateAccepted, describe_failure
from holdfast.observe import Meters, logger, warn_of
from holdfast.orchestrator.aside import Aside
from holdfast.orchestrator.claims import Claims
from holdfast.orchestrator.departures import Departures
from holdfast.orchestrator.earlier import Earlier
from holdfast.orchestrator.live import Live
from holdfast.orchestrator.loading import FanOuts, completed_fan_outs, read_history
from holdfast.orchestrator.memory import Memory
from holdfast.orchestrator.standing import RETRY_WRITE_SECONDS, Standing
from holdfast.orchestrator.waiters import Waiters
from holdfast.ports.answers import encode_error, encode_result
from holdfast.ports.bus import REQUESTS, Bus
from holdfast.ports.callbacks import is_answer
from holdfast.ports.engine import WAITING, Waiting
from holdfast.ports.operations import PARKED, PAUSED, TERMINAL, Answer, Request, ReturnRequest, RunRecord, TakeRequests
from holdfast.ports.program import Guard, Versioned
from holdfast.ports.store import Store

log = logger("holdfast.orchestrator")


class Questions:
    """Answers queries and updates."""

    def __init__(  # noqa: PLR0913 - the seams it stands between
        self,
        store: Store,
        bus: Bus,
        standing: Standing,
        aside: Aside,
        programs: Callable[[str], Versioned | None],
        names: Callable[[], tuple[str, ...]],
        guard: Guard,
        *,
        memory: Memory,
        waiters: Waiters,
        departures: Departures,
        claims: Claims,
        earlier: Earlier,
        meters: Meters,
        now: Callable[[], float],
    ) -> None:
        """Answer for runs of `store`; see `Orchestrator` for what is not of this package."""
        self._store = store
        self._bus = bus
        self._standing = standing
        self._aside = aside
        self._programs = programs
        self._names = names
        self._guard = guard
        self._memory = memory
        self._waiters = waiters
        self._departures = departures
        self._claims = claims
        self._earlier = earlier
        self._meters = meters
        self._now = now

    async def ask(self, kind: str, run_id: str, name: str, payload: bytes, operation_id: str) -> bytes | None:
        """Answer a query or an update. See `LocalOrchestrator`."""
        live = self._memory.by_run.get(run_id)
        if live is None:
            record = await self._store.run(run_id)
            if record is None:
                raise RunNotFoundError(run_id)
            if record.status in TERMINAL or record.status in {PARKED, PAUSED}:
                if kind == "update":
                    if record.status == PAUSED:
                        return None  # it waits in the store, as a request
                    raise RunClosedError(run_id, record.status)
                return await self._query_stored(record, name, payload)
            if self._programs(record.workflow) is None:
                return None
            if record.owner:
                async with self._memory.arriving:  # if it is this member's, it may be on its way into memory
                    live = self._memory.by_run.get(run_id)
            else:
                await self._claims.claim((record.workflow,))
                live = self._memory.by_run.get(run_id)
            if live is None:
                if kind == "query":
                    return await self._query_stored(record, name, payload)
                if record.starts_at:
                    remedy = f"Its code begins at {_time_of(record.starts_at)}. Ask then."
                    raise RunStateError(run_id, "to start later", f"asked for update {name!r}", remedy)
                return None
        self._memory.use(live)
        return (
            self._query(live, name, payload)
            if kind == "query"
            else await self._update(live, name, payload, operation_id)
        )

    async def answer_requests(self) -> None:
        """Answer what others have put into the store, beside the main path."""
        membership = self._standing.membership
        if membership is None:
            return
        (requests,) = await self._store.write([TakeRequests(limit=64)], membership)
        for request in requests:
            self._aside.spawn(self._answer, request)

    async def _answer(self, request: Request) -> None:
        while self._standing.membership is not None:
            try:
                await self._answer_once(request)
            except StoreError as error:
                # That is this process's trouble, and no answer: whoever asks waits until it has passed.
                warn_of(log, "a question could not be answered, trying again", error)
                await asyncio.sleep(RETRY_WRITE_SECONDS)
            else:
                return

    async def _answer_once(self, request: Request) -> None:
        try:
            result = await self.ask(request.kind, request.run_id, request.name, request.body, request.operation_id)
            if result is None:  # its owner answers: another member, or this one once it has the run in memory
                await self._store.write([ReturnRequest(request.request_id)], self._standing.membership)
                return
            body = encode_result(result)
        except StoreCorruptError as error:
            body = encode_error(error)  # it will be so the next time, too
        except StoreError:
            raise
        except HoldfastError as error:
            body = encode_error(error)
        await self._store.write([Answer(request.request_id, body)], self._standing.membership)
        self._bus.ring([REQUESTS])

    # --- Queries -----------------------------------------------------------------------------------------------

    def _query(self, live: Live, name: str, payload: bytes) -> bytes:
        try:
            return _query_execution(live.execution, name, payload)
        finally:
            if live.execution.tainted and live.is_idle:
                self._departures.release_soon([live])

    async def _query_stored(self, record: RunRecord, name: str, payload: bytes) -> bytes:
        program = self._programs(record.workflow)
        if program is None:
            raise UnknownNameError("workflow", record.workflow, self._names())
        events, _, _ = await read_history(self._store, record.execution_id, record.run_id, record.execution)
        fan_outs = FanOuts(self._store, record.execution_id)
        await fan_outs.fetch(completed_fan_outs(events))
        execution = Execution(program, self._guard, fan_outs.open)
        try:
            if isinstance(events[-1], UNASKED):
                events.pop()
            self._meters.replayed()
            recover(execution, events)
            return _query_execution(execution, name, payload)
        finally:
            execution.evict()

    # --- Updates -----------------------------------------------------------------------------------------------

    async def _update(self, live: Live, name: str, payload: bytes, update_id: str) -> bytes | None:
        if live.earlier is None and update_id not in live.updates:
            await self._earlier.look_up(live)
            if self._memory.by_id.get(live.execution_id) is not live:
                return None
        known = live.updates.get(update_id) or (live.earlier or {}).get(update_id)
        if known is None:
            if update_id not in live.updates:
                if live.goes_on:
                    return None  # it is for the execution that follows
                if live.closing is not None or live.execution.closed:
                    raise RunClosedError(live.run_id, "closing")
                _validate(live, name, payload)
                live.updates[update_id] = None
                live.entries.append(UpdateAccepted(self._now(), -1, update_id, name, payload))
                self._memory.touch(live)
            future = self._waiters.for_answer(live, update_id)
            await asyncio.wait([future])
            if future.cancelled():
                return None  # the run went elsewhere; asked again with the same id there, it is the same update
            known = future.result()
        if known.failure is not None:
            failure = known.failure
            raise UpdateFailedError(live.run_id, name, failure.type, failure.message, failure.traceback)
        assert isinstance(known.result, bytes)
        return known.result


def _time_of(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _validate(live: Live, name: str, payload: bytes) -> None:
    try:
        live.execution.validate(name, payload)
    except UnknownNameError:
        raise
    except Exception as error:
        failure = describe_failure(error)
        raise UpdateRejectedError(name, failure.type, failure.message) from error


def _query_execution(execution: Execution, name: str, payload: bytes) -> bytes:
    if name == WAITING:
        signals = tuple(each for each in execution.awaited if not is_answer(each))
        return msgspec.json.encode(Waiting(signals, execution.where()))
    try:
        return execution.query(name, payload)
    except UnknownNameError:
        raise
    except Exception as error:
        failure = describe_failure(error)
        raise QueryError(name, failure.type, failure.message) from error
