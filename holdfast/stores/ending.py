"""The end of a run that nobody needs to run for it to end.

Owns: the page and the outcome of an execution that a store terminates by itself.
Must not know: which store, why nobody owns the execution.
"""

from __future__ import annotations

import msgspec

from holdfast.history import Page, WorkflowTerminated, WorkflowTimedOut, seal
from holdfast.ports.engine import TIME_IS_UP, Outcome
from holdfast.ports.operations import TERMINATED, TIMED_OUT, Closing


def decide_time_out(now: float, last: int, head: bytes) -> tuple[Page, Closing]:
    """Return the last page of an execution whose time was up, and how it ends. See `decide_termination`."""
    page = seal([WorkflowTimedOut(now, TIME_IS_UP)], last + 1, head, {})
    return page, Closing(TIMED_OUT, msgspec.msgpack.encode(Outcome(TIMED_OUT, reason=TIME_IS_UP)))


def decide_termination(now: float, reason: bytes, last: int, head: bytes) -> tuple[Page, Closing]:
    """Return the last page of an execution, and how it ends.

    Args:
        now: seconds since the epoch.
        reason: what was given as the reason: UTF-8.
        last: id of the last event there is.
        head: hash of the last page there is.
    """
    text = reason.decode("utf-8", "replace")
    page = seal([WorkflowTerminated(now, text)], last + 1, head, {})
    return page, Closing(TERMINATED, msgspec.msgpack.encode(Outcome(TERMINATED, reason=text)))
