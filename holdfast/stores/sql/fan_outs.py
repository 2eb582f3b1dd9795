"""Fan-outs: one task over many items, with a history of two events.

Owns: the table `fan_outs`, and the moment a fan-out is over.
Must not know: how items are stored and claimed (`chunks`), how outcomes are (`outcomes`).

A fan-out is over when every item has its outcome, when more failed than may, or when nobody wants it any more. In the
first two cases its run gets one message. From then on it has no chunks, and an attempt still under way is told that it
is not wanted. The figures `done` and `failed` change in the transactions that record outcomes, and in no other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from holdfast.ports.operations import ChunkState, ClaimChunks, FanOutRecord, QueueFanOut, RecordItems
from holdfast.stores.sql import chunks, inbox, outcomes
from holdfast.stores.sql.chunks import free_member
from holdfast.stores.sql.outcomes import read_outcomes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.ports.operations import ItemOutcome
    from holdfast.stores.sql.session import Handler, Reader, Session

_encode = msgspec.msgpack.Encoder().encode


def start(session: Session, execution_id: int, item: QueueFanOut) -> None:
    """Start a fan-out of an execution. One over no items is over at once."""
    count = len(item.items)
    values = (execution_id, item.step, item.task, item.options, item.failures_max, count, item.traceparent)
    (fan_out_id,) = session.rows("start_fan_out", values)[0]
    chunks.cut(session, fan_out_id, item)
    if not count:
        _finish(session, fan_out_id, execution_id, item.step, count)


def cancel(session: Session, execution_id: int, steps: Iterable[str]) -> None:
    """End the fan-outs of `steps` without a message; steps that are no open fan-out are ignored."""
    for step in steps:
        row = session.row("open_fan_out", (execution_id, step))
        if row is not None:
            _close(session, row[0])


def drop(session: Session, execution_id: int) -> None:
    """End all fan-outs of an execution without a message. What was recorded stays readable."""
    for (fan_out_id,) in session.rows("open_fan_outs", (execution_id,)):
        _close(session, fan_out_id)


def copy(session: Session, execution_id: int, fan_out_ids: Iterable[int]) -> None:
    """Give an execution the outcomes of ended fan-outs of another one."""
    for fan_out_id in fan_out_ids:
        for (copied,) in session.rows("copy_fan_out", (execution_id, fan_out_id)):
            session.run("copy_outcomes", (copied, fan_out_id))


def record(session: Session, operation: RecordItems) -> ChunkState:
    """Record outcomes of a claimed chunk's items.

    An outcome for an item that the chunk does not hold (any longer) is ignored: the first one stands.

    Raises:
        FencedError: the chunk is somebody else's now.
    """
    chunk = chunks.find_held(session, operation.chunk_id, operation.token)
    if chunk is None:
        return ChunkState(wanted=False)
    recorded = [outcome for outcome in operation.outcomes if chunk.take(outcome.index)]
    again = [index for index in operation.retry if chunk.take(index)]
    outcomes.put(session, chunk.fan_out_id, chunk.first, recorded)
    chunks.add_retry(session, chunk, again, operation.retry_at)
    later = [index for index in operation.put_off if chunk.take(index)]
    chunks.add_retry(session, chunk, later, operation.put_off_until, tried=False)
    chunks.keep(session, chunk, done=operation.done)
    return _count(session, chunk.fan_out_id, recorded) if recorded else ChunkState(wanted=True)


def _count(session: Session, fan_out_id: int, recorded: list[ItemOutcome]) -> ChunkState:
    failed_now = sum(not outcome.ok for outcome in recorded)
    figures = session.rows("count_outcomes", (fan_out_id, len(recorded), failed_now))[0]
    execution_id, step, count, done, failed, failures_max = figures
    given_up = 0 <= failures_max < failed
    if not given_up and done < count:
        return ChunkState(wanted=True)
    _finish(session, fan_out_id, execution_id, step, count)
    return ChunkState(wanted=not given_up, finished=True)


def _finish(session: Session, fan_out_id: int, execution_id: int, step: str, count: int) -> None:
    _close(session, fan_out_id)
    summary = outcomes.summarize(session, fan_out_id, step, count)
    inbox.put(session, execution_id, "fan_out", step, _encode(summary), "")


def _close(session: Session, fan_out_id: int) -> None:
    session.run("close_fan_out", (fan_out_id,))
    chunks.drop(session, fan_out_id)


def read_records(reader: Reader, execution_id: int) -> list[FanOutRecord]:
    """Return an execution's fan-outs, oldest first."""
    rows = reader.rows("read_fan_outs", (execution_id,))
    return [
        FanOutRecord(
            fan_out_id=fan_out_id,
            execution_id=execution_id,
            step=step,
            task=task,
            count=count,
            done=done,
            failed=failed,
            closed=bool(closed),
        )
        for fan_out_id, execution_id, step, task, count, done, failed, closed in rows
    ]


HANDLERS: Final[dict[type, Handler]] = {ClaimChunks: chunks.claim, RecordItems: record}

__all__ = [
    "HANDLERS",
    "cancel",
    "copy",
    "drop",
    "free_member",
    "read_outcomes",
    "read_records",
    "record",
    "start",
]
