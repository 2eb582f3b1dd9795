"""What an execution has besides its history and its mail: queued tasks, fan-outs, places in lock queues, notices.

Owns: the order in which these are made and dropped, and the marks that say whether there is anything to drop.
Must not know: how any of them is stored.

What is asked of the modules behind it:

    tasks.enqueue(session, execution_id, QueueTask)        fan_outs.start(session, execution_id, QueueFanOut)
    tasks.unqueue(session, execution_id, steps, limited)   fan_outs.cancel(session, execution_id, steps)
    tasks.drop(session, execution_id, limited)             fan_outs.drop(session, execution_id)
    locks.request(session, execution_id, LockRequest)      locks.release(session, execution_id, steps)
    locks.drop(session, execution_id)
    tasks.free_member(session, member, recoveries_max) -> int      and the same of fan_outs
    set_aside(session, execution_id) and resume(session, execution_id) of tasks and chunks

`free_member` gives back what a member had claimed and returns how many rows that were. With a `recoveries_max` the
member died: each row counts one more recovery, and one that would pass the limit is given up. None says that it left
in good order: nothing is counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.stores.sql import chunks, fan_outs, locks, notices, tasks

if TYPE_CHECKING:
    from holdfast.ports.operations import Append, StartRun
    from holdfast.stores.sql.session import Session

TASKS: Final = 1
FAN_OUTS: Final = 2
LOCKS: Final = 4
NOTICES: Final = 32
"""Somebody is to be told that it has ended."""
LIMITED: Final = 64
"""Of its queued tasks some had limits."""
CHILDREN: Final = 8
CHILD: Final = 16
"""It is somebody's child. This one and CHILDREN are `children`'s business, and are not dropped here."""


def change(session: Session, append: Append, before: int) -> int:
    """Make and drop what `append` says; return the marks of what the execution got, which had `before` those."""
    execution_id = append.execution_id
    marks = 0
    if append.unqueue:
        tasks.unqueue(session, execution_id, append.unqueue, limited=bool(before & LIMITED))
        fan_outs.cancel(session, execution_id, append.unqueue)
    if append.unlock:
        locks.release(session, execution_id, append.unlock)
    for task in append.queue:
        tasks.enqueue(session, execution_id, task)
        marks |= TASKS if task.limits is None else TASKS | LIMITED
    for fan_out in append.fan_outs:
        fan_outs.start(session, execution_id, fan_out)
        marks |= FAN_OUTS
    for request in append.lock:
        locks.request(session, execution_id, request)
        marks |= LOCKS
    return marks


def find_leased(session: Session, start: StartRun) -> list[tuple[int, str]]:
    """Return the places that a new execution is to take over. Raises LockLost."""
    return locks.find_leased(session, start.places)


def take_over(session: Session, execution_id: int, start: StartRun, places: list[tuple[int, str]]) -> int:
    """Give a new execution what `start` says it has from the beginning; return the marks of that."""
    locks.take_over(session, execution_id, places)
    fan_outs.copy(session, execution_id, start.fan_outs)
    notices.put(session, execution_id, start.notices)
    return (LOCKS if places else 0) | (FAN_OUTS if start.fan_outs else 0) | (NOTICES if start.notices else 0)


def drop(session: Session, execution_id: int, marks: int) -> None:
    """Drop everything of an execution that closes; the locks it held go to the next in line."""
    if marks & TASKS:
        tasks.drop(session, execution_id, limited=bool(marks & LIMITED))
    if marks & FAN_OUTS:
        fan_outs.drop(session, execution_id)
    if marks & LOCKS:
        locks.drop(session, execution_id)


def free_member(session: Session, member: int, recoveries_max: int | None) -> int:
    """Give back the tasks and chunks a member had claimed; return how many."""
    return tasks.free_member(session, member, recoveries_max) + fan_outs.free_member(session, member, recoveries_max)


def set_aside(session: Session, execution_id: int) -> None:
    """Keep what an execution has queued, and nobody has claimed, from being claimed."""
    tasks.set_aside(session, execution_id)
    chunks.set_aside(session, execution_id)


def resume(session: Session, execution_id: int, *, forgive: bool) -> None:
    """Make what was set aside with an execution claimable again; with `forgive` no death is held against it."""
    tasks.resume(session, execution_id)
    chunks.resume(session, execution_id, forgive=forgive)


def expire(session: Session) -> None:
    """End the leases on locks that ran out, so that the next in line need not wait for somebody to ask."""
    locks.expire(session)
