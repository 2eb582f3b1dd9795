"""API keys and the audit log.

Owns: who may, and who did.
Must not know: secrets but the one that is shown once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from holdfast.controller.documents.base import Document
from holdfast.controller.keys import OVERLAP_SECONDS, OVERLAP_SECONDS_MAX, Scope
from holdfast.controller.times import iso_time, iso_time_or_none
from holdfast.ports import operations
from holdfast.ports.operations import KeyRecord


class KeyRequest(Document, frozen=True, forbid_unknown_fields=True):
    """A key that is to be made."""

    name: str
    scopes: list[Scope]
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    workflows: list[str] = msgspec.field(default_factory=list)
    """The only workflows it is for, with their runs; none is all of them."""
    rate_limit: str = ""
    """How many requests it may make, such as `100/s` or `600/m`; empty leaves it to the server's setting."""


class KeyRotation(Document, frozen=True, forbid_unknown_fields=True):
    """How a key gets another secret."""

    overlap_seconds: Annotated[float, msgspec.Meta(ge=0, le=OVERLAP_SECONDS_MAX)] = OVERLAP_SECONDS
    """How long the secret it has stays good."""


class Key(Document, frozen=True):
    """An API key, without its secret."""

    name: str
    scopes: list[str]
    created_at: str | None
    expires_at: str | None
    revoked: bool
    workflows: list[str]
    """The only workflows it is for; empty is all of them."""
    rate_limit: str
    """How many requests it may make; empty leaves it to the server's setting."""
    last_used_at: str | None
    """To within a minute; null when it never was."""
    old_secret_until: str | None
    """How long the secret that it had before it was renewed stays good, or did."""


class NewKey(Document, frozen=True):
    """A key that was made just now. `key` is shown this once and is not kept."""

    name: str
    scopes: list[str]
    expires_at: str | None
    key: str
    workflows: list[str] = msgspec.field(default_factory=list)
    rate_limit: str = ""


class RotatedKey(Document, frozen=True):
    """A key that has another secret from now on. `key` is shown this once and is not kept."""

    name: str
    key: str
    old_secret_until: str | None
    """How long the secret that it had stays good."""


class KeyList(Document, frozen=True):
    """All API keys, revoked ones included."""

    keys: list[Key]


class AuditEntry(Document, frozen=True):
    """One thing that somebody did."""

    id: int
    at: str
    actor: str
    """The name of the key that was used; `cli:` and a person's name; or `local`, on a machine without keys."""
    action: str
    """start, signal, cancel, terminate, pause, resume, fork; break-lock, resend-notice; create-, rotate- or revoke-key;
    put-, delete-, pause-, resume- or backfill-schedule."""
    target: str
    """The run's id, the name of the lock, key or schedule, or the number of the notice."""
    detail: str
    """The workflow that was started, the signal that was sent, the run that was forked, the scopes of the key."""


class AuditPage(Document, frozen=True):
    """Some entries of the audit log, newest first."""

    entries: list[AuditEntry]
    next: str | None
    """Give it as `cursor` to get the next page; null at the end."""


def key_document(record: KeyRecord) -> Key:
    """Return an API key, without its secret and without the hash of it."""
    return Key(
        name=record.name,
        scopes=list(record.scopes),
        created_at=iso_time(record.created_at),
        expires_at=iso_time_or_none(record.expires_at),
        revoked=record.revoked,
        workflows=list(record.workflows),
        rate_limit=record.rate_limit,
        last_used_at=iso_time_or_none(record.last_used_at),
        old_secret_until=iso_time_or_none(record.old_until or None),
    )


def audit_document(entry: operations.AuditEntry) -> AuditEntry:
    """Return one entry of the audit log."""
    return AuditEntry(
        id=entry.entry_id,
        at=iso_time(entry.at),
        actor=entry.actor,
        action=entry.action,
        target=entry.target,
        detail=entry.detail,
    )
