"""What is told of deliveries, as values.

Owns: the shape of every JSON document about them, and making them from a store's records.
Must not know: HTTP, how the records were found.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from holdfast.controller.documents import Document
from holdfast.controller.times import iso_time
from holdfast.controller.webhooks.redaction import Redaction
from holdfast.ports.operations import DeliveryRecord, NotedDelivery

State = Literal["accepted", "ignored", "failed", "refused"]

_decode_headers = msgspec.json.Decoder(dict[str, str]).decode


class DeliveryTaken(Document, frozen=True):
    """A delivery was taken, and cannot be lost. Sent again, it has the same answer."""

    delivery: int
    """Its number in the inbox."""
    state: State
    run_id: str | None = None
    """The run that was started or signalled."""
    reason: str | UnsetType = UNSET
    """Why nothing was done."""


class InboxDelivery(Document, frozen=True):
    """What a webhook was sent, and what came of it."""

    delivery: int
    webhook: str
    delivery_id: str
    """As the sender names it; empty where that is not known."""
    state: State
    reason: str
    event: str
    received_at: str
    decided_at: str
    """When it was tried last."""
    attempts: int
    run_id: str | None
    body_bytes: int
    headers: dict[str, str] | UnsetType = UNSET
    """Without secrets."""
    body: Any = UNSET
    """Without secrets; null where it is no JSON, or was not kept."""


class InboxPage(Document, frozen=True):
    """Deliveries, newest first."""

    deliveries: list[InboxDelivery]
    next: str | None
    """`cursor` of the page after this one."""


class Redeliver(Document, frozen=True, forbid_unknown_fields=True):
    """Which deliveries are to be carried out again. All that is given has to hold."""

    webhook: str | None = None
    state: Literal["failed", "ignored"] = "failed"
    received_from: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    received_before: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    cursor: str | None = None
    """`next` of the part before."""
    limit: Annotated[int, msgspec.Meta(ge=1, le=500)] = 100


class NotRedelivered(Document, frozen=True):
    """A delivery that could not be carried out again either, and why."""

    delivery: int
    why: str


class Redelivered(Document, frozen=True):
    """What came of carrying out deliveries again."""

    done: list[DeliveryTaken]
    failed: list[NotRedelivered]
    next: str | None
    """`cursor` of the next part; null at the end."""


def taken_document(noted: NotedDelivery) -> DeliveryTaken:
    """Return what came of a delivery."""
    return DeliveryTaken(
        delivery=noted.delivery_id,
        state=noted.state,  # type: ignore[arg-type]  # a DeliveryState
        run_id=noted.run_id or None,
        reason=noted.reason or UNSET,
    )


def inbox_document(record: DeliveryRecord, redaction: Redaction | None = None) -> InboxDelivery:
    """Return a delivery; with `redaction`, its headers and its body too."""
    shown: dict[str, Any] = {}
    if redaction is not None:
        shown = {"headers": _decode_headers(record.headers), "body": redaction.body(record.body)}
    return InboxDelivery(
        delivery=record.delivery_id,
        webhook=record.webhook,
        delivery_id=record.key,
        state=record.state,  # type: ignore[arg-type]  # a DeliveryState
        reason=record.reason,
        event=record.event,
        received_at=iso_time(record.received_at),
        decided_at=iso_time(record.decided_at),
        attempts=record.attempts,
        run_id=record.run_id or None,
        body_bytes=record.body_bytes,
        **shown,
    )
