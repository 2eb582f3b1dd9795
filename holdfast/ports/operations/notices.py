"""Notices: telling an outside system that a run has ended.

Owns: which are due, who sends them, and what came of it.
Must not know: how one is sent, what it says.

A notice waits with its run, becomes due in the commit that ends the run, and is claimed for a time. A claim moves when
it is due next, so that of one that is never settled the next try is made by whoever looks then.
"""

from __future__ import annotations

from holdfast.ports.operations.base import Value

WAITING = "WAITING"
DUE = "DUE"
SENT = "SENT"
UNSENT = "UNSENT"
"""Given up."""


class ClaimNotices(Value, frozen=True):
    """Take notices that are due, the longest due first. Result: tuple of ClaimedNotice."""

    limit: int
    seconds: float
    """How long there is to settle one, before it is due again."""


class ClaimedNotice(Value, frozen=True):
    """A notice that is to be sent now."""

    notice_id: int
    run_id: str
    execution: str
    url: bytes
    attempt: int
    """Which try this is, from 1."""
    closed_at: float


class SettleNotice(Value, frozen=True):
    """Say what came of a try. Result: False when somebody else has claimed the notice since."""

    notice_id: int
    attempt: int
    status: str
    """SENT, UNSENT, or DUE again."""
    seconds: float = 0.0
    """When to try again, from now."""
    error: str = ""


class ResendNotice(Value, frozen=True):
    """Make a notice due now that was sent or given up. Result: True when there is such a one."""

    notice_id: int


class NoticeRecord(Value, frozen=True):
    """A notice."""

    notice_id: int
    run_id: str
    execution: str
    url: bytes
    status: str
    """WAITING, DUE, SENT or UNSENT."""
    attempt: int
    """How many tries were made."""
    due: float | None
    """When the next one is made."""
    changed_at: float
    error: str
    """What was wrong with the last try."""
