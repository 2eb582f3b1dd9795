"""A fork on Temporal: from what another run recorded to a run that begins with it.

Owns: what a run is started with that goes on where another one was.
Must not know: how a request travels, how the run repeats its past.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from holdfast.client import attributes_at
from holdfast.engine import ForkPlan, decide_fork
from holdfast.errors import ForkError
from holdfast.history import CLOSING, Failure, History, WorkflowStarted
from holdfast.history.temporal import PACKED_BYTES_MAX, Past, PastLock, pack_past
from holdfast.ports.engine import ForkRequest, StartRequest
from holdfast.ports.operations import RunRecord


def plan_fork(request: ForkRequest, source: History) -> ForkPlan:
    """Return what a fork of a history begins with. Raises ForkError."""
    return decide_fork(
        source.events,
        request.at,
        request.new_id,
        override=request.override,
        new_input=request.input,
        code_version=request.code_version,
        new_keys=request.new_keys,
        drains=source.drains,
        singly=source.singly,
    )


def plan_move(source: History, record: RunRecord) -> ForkPlan:
    """Return what a run begins with that goes on as itself, with all of its history. Raises ForkError."""
    whole = len(source.events) - isinstance(source.events[-1], CLOSING)
    plan = decide_fork(source.events, str(whole), record.run_id, execution=record.execution)
    plan.events[0] = replace(plan.events[0], deadline=source.started.deadline)
    return plan


def past_of(plan: ForkPlan, outcomes: Mapping[str, Sequence[bytes | Failure]]) -> Past:
    """Return the past that a run on Temporal is to begin with.

    Args:
        plan: the fork.
        outcomes: of the source's fan-outs, by step.

    Raises:
        ForkError: it is too long for a request to Temporal.
    """
    past = Past(
        plan.events,
        plan.singly if plan.drains else len(plan.events),
        plan.drains,
        tuple(PastLock(each.place, each.step, each.name, each.slots) for each in plan.locks),
        {step: list(outcomes[step]) for step in plan.fan_outs if step in outcomes},
    )
    size = len(pack_past(past))
    if size > PACKED_BYTES_MAX:
        raise ForkError(
            past.started.forked_from,
            f"with {size:,} bytes of history",
            f"Temporal takes {PACKED_BYTES_MAX:,} of them (PACKED_BYTES_MAX), compressed. Fork at an earlier step.",
        )
    return past


def start_of(past: Past, pin: str, *, timeout: float = 0.0, starts_at: float = 0.0) -> StartRequest:
    """Return the start of a run that begins with a past.

    Args:
        past: see `past_of`.
        pin: the only code version that may have it; empty is any.
        timeout: how long it may take from now on, in seconds; 0 is for ever.
        starts_at: when it is to begin, in seconds since the epoch; 0 is at once.
    """
    started: WorkflowStarted = past.started
    assert isinstance(started.input, bytes), "payloads outside the page were read with it"
    return StartRequest(
        started.workflow,
        started.run_id,
        started.input,
        code_version=started.code_version,
        memo=started.memo,
        pin=pin,
        attributes=attributes_at(past.events),
        timeout=timeout,
        start_at=starts_at,
    )
