"""The end of a run that nobody needs to run for it to end.

Owns: the page and the outcome of an execution that a store terminates by itself.
Must not know: which store, why nobody owns the execution.
"""

from __future__ import annotations

from typing import Final

import msgspec

from holdfast.history import Page, WorkflowTerminated, WorkflowTimedOut, is_encrypted, seal
from holdfast.ports.engine import TIME_IS_UP, Outcome
from holdfast.ports.operations import CANCELLED, TERMINATED, TIMED_OUT, Closing

CALLED_OFF: Final = "it was cancelled before it began"
"""The reason where the one that was given is encrypted, and only its run's code could have read it."""


def decide_time_out(now: float, last: int, head: bytes) -> tuple[Page, Closing]:
    """Return the last page of an execution whose time was up, and how it ends. See `decide_termination`."""
    page = seal([WorkflowTimedOut(now, TIME_IS_UP)], last + 1, head, {})
    return page, Closing(TIMED_OUT, msgspec.msgpack.encode(Outcome(TIMED_OUT, reason=TIME_IS_UP)))


def decide_cancellation(now: float, reason: bytes, last: int, head: bytes) -> tuple[Page, Closing]:
    """Return the last page of an execution that was cancelled before its code began, and how it ends.

    Args: as of `decide_termination`.
    """
    text = CALLED_OFF if is_encrypted(reason) else reason.decode("utf-8", "replace")
    page = seal([WorkflowTerminated(now, text, cancelled=True)], last + 1, head, {})
    return page, Closing(CANCELLED, msgspec.msgpack.encode(Outcome(CANCELLED, reason=text)))


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
