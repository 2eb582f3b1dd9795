"""What an execution does to other runs, as the store is told.

Owns: the first pages of children and of executions that follow another, and where their seeds come from.
Must not know: when any of it is written.

A child's seed follows from its parent's and from its run id, so that nothing here draws entropy.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

import msgspec

from holdfast.engine import CURRENT
from holdfast.history import (
    ROOT,
    AnyEvent,
    CancelRequested,
    Codec,
    Page,
    SendMessage,
    SignalReceived,
    StartChild,
    WorkflowContinued,
    WorkflowStarted,
    page_place,
    seal,
)
from holdfast.orchestrator.live import Live
from holdfast.ports.engine import encode_memo
from holdfast.ports.operations import Continuation, NewChild, OutgoingMessage

PYTHON: Final = f"{sys.version_info.major}.{sys.version_info.minor}"


def make_child(live: Live, command: StartChild, now: float, codec: Codec | None) -> NewChild:
    """Return the child that a command asks for, with its first page, encrypted by `codec`."""
    event = WorkflowStarted(
        now,
        0,
        command.workflow,
        command.run_id,
        command.run_id,
        command.input,
        _seed(live, command.run_id),
        int(CURRENT),
        command.code_version,
        PYTHON,
        command.memo,
        deadline=now + command.timeout if command.timeout else 0.0,
        parent=live.name,
        attributes=command.attributes,
        traceparent=live.traceparent,
    )
    blobs: dict[bytes, bytes] = {}
    return NewChild(
        step=command.step,
        run_id=command.run_id,
        workflow=command.workflow,
        input_digest=blake2b(command.input, digest_size=16).digest(),
        page=_seal([event], command.run_id, blobs, codec),
        parent_close=command.parent_close,
        blobs=tuple(blobs.items()),
        code_version=command.code_version,
        deadline=event.deadline,
        attributes=tuple(command.attributes.items()),
        memo=encode_memo(command.memo),
    )


def make_message(live: Live, command: SendMessage) -> OutgoingMessage:
    """Return the message that a command asks for. Its operation id is the step, so no second try sends it twice."""
    return OutgoingMessage(
        step=command.step,
        run_id=command.run_id,
        kind=command.kind,
        name=command.name,
        body=command.input,
        operation_id=f"{live.name}/{command.step}",
        sender=live.name,
    )


def make_continuation(live: Live, last_page: Sequence[AnyEvent], now: float, codec: Codec | None) -> Continuation:
    """Return the execution as which a run goes on, with the messages that its code did not take.

    Args:
        live: the execution that ends.
        last_page: the events of its last page; what came in them was never applied.
        now: seconds since the epoch.
        codec: encrypts its first page.
    """
    closing = last_page[-1]
    assert isinstance(closing, WorkflowContinued)
    before = live.execution.runtime.started
    assert before is not None
    number = number_of(live) + 1
    name = f"{live.run_id}@{number}"
    started = WorkflowStarted(
        now,
        0,
        before.workflow,
        before.run_id,
        name,
        closing.input,
        _seed(live, name),
        int(CURRENT),
        before.code_version,
        PYTHON,
        before.memo,
        before.deadline,
        before.execution_timeout,
        parent=before.parent,
        continued=live.name,
        attributes=live.execution.runtime.attributes,
        traceparent=before.traceparent,
    )
    unread = [*live.execution.unread(), *(each for each in last_page if isinstance(each, _CARRIED))]
    carried = [msgspec.structs.replace(each, issued=-1) for each in unread]
    blobs: dict[bytes, bytes] = {}
    page = _seal([started, *carried], live.run_id, blobs, codec)
    return Continuation(number, page, tuple(blobs.items()), before.code_version, started.due)


def _seal(events: Sequence[AnyEvent], run_id: str, blobs: dict[bytes, bytes], codec: Codec | None) -> Page:
    return seal(events, 1, ROOT, blobs, codec, b"" if codec is None else page_place(run_id, run_id, 1))


_CARRIED: Final = (SignalReceived, CancelRequested)
"""What somebody was promised would reach the run."""


def number_of(live: Live) -> int:
    """Return which execution of its run this is, from 1."""
    return 1 if live.name == live.run_id else int(live.name[len(live.run_id) + 1 :])


def _seed(live: Live, name: str) -> int:
    mixed = blake2b(name.encode(), key=live.execution.draws.seed.to_bytes(8, "big"), digest_size=8)
    return int.from_bytes(mixed.digest(), "big") >> 1
