"""A fork, from its plan to a run that is in the store.

Owns: the locks that a fork needs before it may begin, and the write that starts it.
Must not know: what a history means; the engine decides what a fork begins with.

The code of a fork stands inside the locks its source held at the cut, and does not ask for them again. So they are
leased first, in the order in which the source got them, and become the fork's own in the write that starts it. Their
new tokens are in its history.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import Final
from uuid import uuid4

import msgspec

from holdfast.engine import ForkPlan, decide_fork
from holdfast.errors import ForkError, HoldfastError, LeaseHeld, LockLost
from holdfast.history import (
    ROOT,
    AnyEvent,
    AttributesSet,
    LockGranted,
    WorkflowStarted,
    merge_attributes,
    page_place,
    seal,
)
from holdfast.locks import LockLines, PlaceLease
from holdfast.ports.engine import Forked, ForkRequest, encode_memo
from holdfast.ports.operations import LeasedPlace, RunRecord, StartRun
from holdfast.ports.store import Store

LEASE_SECONDS: Final = 60.0
"""How long a lock is kept for a fork that is being made; added to what it may wait for the others."""


async def start_fork(store: Store, request: ForkRequest, source: RunRecord, recorded: Sequence[AnyEvent]) -> Forked:
    """Start a fork of `source`, whose history is `recorded`. See `Engine.fork`."""
    plan = decide_fork(
        recorded,
        request.at,
        request.new_id,
        override=request.override,
        new_input=request.input,
        code_version=request.code_version,
        new_keys=request.new_keys,
    )
    lines = LockLines(store)
    leases = await _lease(store, lines, plan, request)
    try:
        operation = await _operation(store, plan, request, source, leases)
        (result,) = await store.write([operation])
    finally:
        for lease in leases:
            with suppress(LockLost):  # it is the fork's now
                await lines.release(lease)
    if isinstance(result, HoldfastError):
        raise result
    return Forked(request.new_id, result.created, plan.recorded, plan.again, plan.keys)


async def _lease(store: Store, lines: LockLines, plan: ForkPlan, request: ForkRequest) -> list[PlaceLease]:
    leases: list[PlaceLease] = []
    try:
        async with asyncio.timeout(request.lock_seconds):
            for held in plan.locks:
                holder = f"fork {request.new_id}/{held.step} {uuid4().hex[:8]}"
                leases.append(await lines.acquire(held.name, held.slots, holder, LEASE_SECONDS + request.lock_seconds))
    except BaseException as error:
        for lease in leases:
            with suppress(LockLost):
                await lines.release(lease)
        if isinstance(error, TimeoutError):
            wanted = plan.locks[len(leases)]
            holders = [each.holder for each in await store.locks() if each.name == wanted.name and each.held]
            raise LeaseHeld(wanted.name, ", ".join(holders) or "somebody") from None
        raise
    return leases


async def _operation(
    store: Store, plan: ForkPlan, request: ForkRequest, source: RunRecord, leases: Sequence[PlaceLease]
) -> StartRun:
    events = plan.events
    for held, lease in zip(plan.locks, leases, strict=True):
        granted = events[held.place]
        assert isinstance(granted, LockGranted)
        events[held.place] = msgspec.structs.replace(granted, token=lease.token)
    started = events[0]
    assert isinstance(started, WorkflowStarted)
    assert isinstance(started.input, bytes), "payloads outside the page were read with it"
    blobs: dict[bytes, bytes] = {}
    codec = store.codec
    if codec is not None and plan.fan_outs:
        # Its outcomes are encrypted for the place where they stand.
        raise ForkError(
            source.execution, f"after {plan.fan_outs[0]}", "Encrypted fan-outs stay where they are: fork before it."
        )
    place = b"" if codec is None else page_place(request.new_id, request.new_id, 1)
    page = seal(events, 1, ROOT, blobs, codec, place)
    fan_outs = {each.step: each.fan_out_id for each in await store.fan_outs(source.execution_id)}
    return StartRun(
        request.new_id,
        started.workflow,
        blake2b(started.input, digest_size=16).digest(),
        page,
        tuple(blobs.items()),
        code_version=started.code_version,
        places=tuple(
            LeasedPlace(lease.name, lease.holder, lease.token, held.step)
            for held, lease in zip(plan.locks, leases, strict=True)
        ),
        fan_outs=tuple(fan_outs[step] for step in plan.fan_outs),
        attributes=tuple(attributes_at(events).items()),
        memo=encode_memo(started.memo),
    )


def attributes_at(events: Sequence[AnyEvent]) -> dict[str, str]:
    """Return what a fork is found by when it begins: what the source was found by at the cut."""
    started = events[0]
    assert isinstance(started, WorkflowStarted)
    attributes = started.attributes
    for event in events:
        if isinstance(event, AttributesSet):
            attributes = merge_attributes(attributes, event.attributes)
    return attributes
