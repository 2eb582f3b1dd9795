"""The beginning of an execution: its first event and page, and the write of one that may follow others.

Owns: what is recorded when somebody starts a run from outside.
Must not know: which store, how an orchestrator works.

An execution's name is in its first page, so the page of a run's second execution is not that of its first. Whether
there is a run with this id is known when the store looks, in the transaction. So the page is made for the first, or for
the one the store said it would be, and sent again when that was overtaken.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Final

from holdfast.engine import CURRENT
from holdfast.errors import HoldfastError, StoreBusyError
from holdfast.history import ROOT, Codec, Page, WorkflowStarted, check_identifier, page_place, seal
from holdfast.observe import current_traceparent
from holdfast.ports.clock import Clock
from holdfast.ports.engine import StartRequest, encode_memo
from holdfast.ports.operations import Carrying, IdPolicy, Operation, Overtaken, StartNext, StartSignal
from holdfast.ports.store import Store

OVERTAKEN_MAX: Final = 20
"""How often in a row others may start the same run before a start gives up."""
PYTHON: Final = f"{sys.version_info.major}.{sys.version_info.minor}"


def begins_at(request: StartRequest, now: float) -> float:
    """Return when the requested run begins."""
    return max(now + request.delay, request.start_at)


def first_event(request: StartRequest, execution: str, begins: float, seed: int) -> WorkflowStarted:
    """Return the event with which `execution` of the requested run begins, at the time `begins`.

    Raises:
        InputError: the run id, or the name of the workflow, is none that every store can keep.
    """
    check_identifier(request.run_id, "the run id")
    check_identifier(request.workflow, "the name of the workflow")
    return WorkflowStarted(
        begins,
        0,
        request.workflow,
        request.run_id,
        execution,
        request.input,
        seed,
        int(CURRENT),
        request.code_version,
        PYTHON,
        request.memo,
        begins + request.timeout if request.timeout else 0.0,
        request.execution_timeout,
        attributes=request.attributes,
        traceparent=current_traceparent(),
    )


def first_page(event: WorkflowStarted, codec: Codec | None) -> tuple[Page, tuple[tuple[bytes, bytes], ...]]:
    """Return the page that holds an execution's first event, and the payloads outside it."""
    blobs: dict[bytes, bytes] = {}
    if codec is None:
        page = seal([event], 1, ROOT, blobs)
    else:
        page = seal([event], 1, ROOT, blobs, codec, page_place(event.run_id, event.execution, 1))
    return page, tuple(blobs.items())


def input_digest(request: StartRequest) -> bytes:
    """Return what tells the request's input from another."""
    return blake2b(request.input, digest_size=16).digest()


async def start_next(
    store: Store,
    clock: Clock,
    draw_seed: Callable[[], int],
    request: StartRequest,
    policy: IdPolicy,
    signal: StartSignal | None = None,
    note: Callable[[Operation], Carrying] | None = None,
) -> Any:
    """Start a run, or its next execution, as `policy` says. See `Engine.start_next` and, with `note`, `carry_out`."""
    number = 1
    if signal is not None:
        check_identifier(signal.name, "the name of the signal")
        check_identifier(signal.operation_id, "the operation id")
    for _ in range(OVERTAKEN_MAX):
        execution = request.run_id if number == 1 else f"{request.run_id}@{number}"
        now = clock.now()
        begins = begins_at(request, now)
        event = first_event(request, execution, begins, draw_seed())
        page, blobs = first_page(event, store.codec)
        operation = StartNext(
            request.run_id,
            request.workflow,
            input_digest(request),
            page,
            blobs,
            code_version=request.code_version,
            pin=request.pin,
            deadline=event.due,
            attributes=tuple(request.attributes.items()),
            memo=encode_memo(request.memo),
            notices=tuple(each.encode() for each in request.notify),
            start_at=begins if begins > now else 0.0,
            number=number,
            policy=policy,
            signal=signal,
        )
        (result,) = await store.write([operation if note is None else note(operation)])
        if isinstance(result, HoldfastError):
            raise result
        if not isinstance(result, Overtaken):
            return result
        number = result.number
    raise StoreBusyError(f"run {request.run_id!r} was started by others {OVERTAKEN_MAX} times in a row")
