"""What is done on a cluster, with a note of it in a store: requests with a key, and deliveries of webhooks.

Owns: in which order the two are written, and that an act that is done again is known again.
Must not know: who asks, how requests travel.

Theory of operation
===================

A cluster and a store have no commit in common. So

    note    the key is claimed, or the delivery is in the inbox, as one that is under way
    act     on the cluster, under an id that is the same each time
    note    what came of it
    answer

Whoever dies in between has not answered. The act is done again, by whoever asks again or by whoever finds the delivery
under way; and the cluster knows it: a start by its request id, which it tells of the run that is in the way, and all
that a run is told by a mark that stays in the history of the execution, also when it has ended or gone on since. So
what ends a run is done to the execution that was meant, and not to one that has begun meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol, assert_never, cast

import msgspec

from holdfast.errors import HoldfastError, NotOnEngineError, StoreError
from holdfast.ports.engine import Begin, StartRequest, Teller, tell
from holdfast.ports.operations import (
    UNDER_WAY,
    Carrying,
    Deliver,
    Delivered,
    DeliveryState,
    DoneBefore,
    DoOnce,
    IdPolicy,
    NotedDelivery,
    NoteDelivery,
    Operation,
    Pause,
    Resume,
    RunRecord,
    Settle,
    Started,
    StartSignal,
    Unclaim,
)
from holdfast.ports.store import Store
from holdfast.temporal.runtime import ENGINE

CLAIM_SECONDS: Final = 30.0
"""How long a key is claimed for what is done under it; whoever dies meanwhile leaves it to the next."""


class Acting(Teller, Protocol):
    """What acts are done with."""

    async def start_next(
        self, request: StartRequest, policy: IdPolicy, signal: StartSignal | None = None, named: str = ""
    ) -> Started:
        """Start a run; the same `named` again is the same start."""

    async def describe(self, run_id: str) -> RunRecord:
        """Return a run's newest execution."""

    async def was_told(self, run_id: str, operation_id: str) -> bool:
        """Say whether a signal, a cancellation or a termination of this id has reached one of a run's executions."""


class _Settled(msgspec.Struct, frozen=True, array_like=True):
    """The answer that a key is settled with."""

    execution: str
    created: bool
    run_id: str


async def carry_out(
    engine: Acting,
    store: Store,
    act: Begin | Deliver | Pause | Resume,
    note: Callable[[Operation], Carrying],
) -> Any:
    """Do an act, and note it. See `Engine.carry_out`."""
    if isinstance(act, Pause | Resume):
        raise NotOnEngineError(f"{type(act).__name__} with a note in the same commit", ENGINE)
    made: Carrying = msgspec.structs.replace(note(cast("Operation", act)), act=None)
    match made:
        case NoteDelivery():
            return await _deliver(engine, store, act, made)
        case DoOnce():
            return await _do_once(engine, store, act, made)
        case _:
            raise NotOnEngineError(f"{type(made).__name__} in the same commit", ENGINE)


async def _deliver(engine: Acting, store: Store, act: Begin | Deliver, note: NoteDelivery) -> NotedDelivery:
    noted: NotedDelivery = await _write(
        store, msgspec.structs.replace(note, state=DeliveryState.FAILED.value, reason=UNDER_WAY)
    )
    if noted.state != DeliveryState.FAILED:
        return noted  # it was taken before, or is refused
    named = f"webhook {note.webhook} {note.key}"
    record = await store.delivery(noted.delivery_id)
    try:
        result = await _perform(engine, act, named, is_again=record is not None and record.attempts > 1)
    except StoreError:
        raise  # what came of it is not known: it stays under way
    except HoldfastError as error:
        await _write(store, msgspec.structs.replace(note, state=DeliveryState.FAILED.value, reason=error.message()))
        raise
    run_id = act.request.run_id if isinstance(act, Begin) else act.run_id
    assert isinstance(result, Started | Delivered)
    accepted: NotedDelivery = await _write(store, msgspec.structs.replace(note, run_id=run_id))
    return accepted


async def _do_once(
    engine: Acting, store: Store, act: Begin | Deliver, note: DoOnce
) -> Started | Delivered | DoneBefore:
    until = await store.now() + CLAIM_SECONDS
    claimed = await _write(store, msgspec.structs.replace(note, claimed_until=until))
    if isinstance(claimed, DoneBefore):
        told = msgspec.msgpack.decode(claimed.answer, type=_Settled)
        return msgspec.structs.replace(claimed, execution=told.execution, created=told.created, run_id=told.run_id)
    try:
        # Whoever claimed it before may have died when it was done.
        result = await _perform(engine, act, f"key {note.caller} {note.key}", is_again=True)
    except HoldfastError:
        await store.write([Unclaim(note.caller, note.key)])
        raise
    settled = (
        _Settled(result.execution, result.created, note.run_id)
        if isinstance(result, Started)
        else _Settled(note.run_id, created=False, run_id=note.run_id)
    )
    await store.write([Settle(note.caller, note.key, msgspec.msgpack.encode(settled))])
    return result


async def _perform(engine: Acting, act: Begin | Deliver, named: str, *, is_again: bool) -> Started | Delivered:
    """Do an act under a name, unless it was done under it."""
    match act:
        case Begin(request=request, policy=policy, signal=signal):
            if signal is not None and is_again and await engine.was_told(request.run_id, signal.operation_id):
                record = await engine.describe(request.run_id)
                return Started(record.execution_id, record.execution, created=False, status=record.status)
            return await engine.start_next(request, policy, signal, named)
        case Deliver(run_id=run_id, operation_id=operation_id):
            # One that has gone on, or ended, since it was told does not know so any more; its history does.
            if not (is_again and await engine.was_told(run_id, operation_id)):
                await tell(engine, act)
            return Delivered(0, 0, None, run_id)
        case _:
            assert_never(act)


async def _write(store: Store, operation: Operation) -> Any:
    (result,) = await store.write([operation])
    if isinstance(result, HoldfastError):
        raise result
    return result
