"""Who did what: the audit log.

Owns: the operation that notes an act in its own commit, and what is kept of it.
Must not know: who there is, how they were recognized.
"""

from __future__ import annotations

from holdfast.ports.operations.base import Value
from holdfast.ports.operations.carrying import Carrying


class Audited(Carrying, frozen=True, kw_only=True):
    """Carry out an act, and note who did it. Result: the act's; True where the act is none of the store's.

    Of an act that was refused, or that found everything as it was to be, nothing is noted: a start that found its run,
    a key that nobody has.
    """

    actor: str
    """A key's name, or `cli:` and a person's; `local` is anybody on a machine without keys."""
    action: str
    """start, signal, update, cancel, terminate, pause, resume, fork, break-lock, create-key, rotate-key, revoke-key,
    put-schedule, delete-schedule, pause-schedule, resume-schedule, backfill-schedule or
    resend-notice."""
    target: str
    """The run's id, or the name of the lock, key or schedule."""
    detail: str = ""
    """A name that says more, such as the workflow that was started. Nothing of what users wrote."""


class PruneAudit(Value, frozen=True):
    """Let go of entries of the audit log. Result: how many went, at most `entries`."""

    before: float
    entries: int = 10_000


class AuditEntry(Value, frozen=True):
    """One act, as the audit log has it."""

    entry_id: int
    """Rises; never used again."""
    at: float
    actor: str
    action: str
    target: str
    detail: str


class AuditFilter(Value, frozen=True):
    """Which entries of the audit log are meant. All that is given has to hold."""

    actor: str | None = None
    action: str | None = None
    target: str | None = None
