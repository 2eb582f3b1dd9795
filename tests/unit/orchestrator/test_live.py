"""An execution in memory: what the next write carries."""

from __future__ import annotations

from holdfast.orchestrator.live import Beside
from holdfast.ports.operations import LockRequest, QueueTask


def _row(step: str) -> QueueTask:
    return QueueTask(step=step, task="fetch", input=b"null", pool="default", priority=0, options=b"")


def test_what_is_dropped_after_a_failed_write_is_not_made_by_the_next() -> None:
    """A row of a write that failed, and whose step was cancelled meanwhile, is neither made nor dropped."""
    failed, later = Beside(), Beside()
    failed.queue += [_row("fetch#1"), _row("fetch#2")]
    failed.lock.append(LockRequest("lock(a)#1", "a", 1))
    later.unqueue += ["fetch#1", "fetch#0"]
    later.unlock.append("lock(a)#1")
    later.queue.append(_row("fetch#3"))
    both = failed.followed_by(later)
    assert [each.step for each in both.queue] == ["fetch#2", "fetch#3"]
    assert both.unqueue == ["fetch#0"]
    assert (both.lock, both.unlock) == ([], [])


def test_a_row_that_no_write_has_carried_is_withdrawn_once() -> None:
    """Withdrawing says whether there was something to withdraw."""
    beside = Beside()
    beside.queue.append(_row("fetch#1"))
    assert beside.withdraw("fetch#1")
    assert not beside.withdraw("fetch#1")
