"""The inbox: what webhooks were sent, to be looked at and carried out again.

Owns: its pages, and doing many again.
Must not know: HTTP, how one is done.
"""

from __future__ import annotations

from typing import Final

from holdfast.controller.times import seconds_of
from holdfast.controller.webhooks.desk import Desk
from holdfast.controller.webhooks.documents import (
    DeliveryTaken,
    InboxDelivery,
    InboxPage,
    NotRedelivered,
    Redeliver,
    Redelivered,
    inbox_document,
    taken_document,
)
from holdfast.errors import HoldfastError, InputError, StoreError, UnknownNameError
from holdfast.ports.operations import DeliveryFilter, DeliveryRecord
from holdfast.ports.store import Store

DELIVERIES_MAX: Final = 500
"""How many deliveries one page holds at most."""


class Inbox:
    """The deliveries of a store."""

    def __init__(self, store: Store, desk: Desk) -> None:
        """Read `store`; `desk` carries out deliveries again."""
        self._store = store
        self._desk = desk

    async def page(self, where: DeliveryFilter, *, cursor: str | None = None, limit: int = 50) -> InboxPage:
        """Return deliveries, newest first. Raises InputError: the cursor is none of ours."""
        records, following = await self._read(where, cursor, limit)
        return InboxPage(deliveries=[inbox_document(each) for each in records], next=following)

    async def delivery(self, delivery: int) -> InboxDelivery:
        """Return a delivery with its headers and its body, without secrets. Raises UnknownNameError."""
        return inbox_document(await self._find(delivery), self._desk.redaction)

    async def redeliver(self, delivery: int, actor: str = "") -> DeliveryTaken:
        """Carry out a delivery again, as `actor`; one that was accepted stays as it is.

        Raises:
            UnknownNameError: there is none of this number.
            HoldfastError: as `Desk.redeliver`.
        """
        return taken_document(await self._desk.redeliver(await self._find(delivery), actor))

    async def redeliver_many(self, wanted: Redeliver, actor: str = "") -> Redelivered:
        """Carry out the next deliveries that a filter means, newest first, as `actor`; what fails again is listed.

        Raises:
            InputError: the cursor is none of ours.
        """
        where = DeliveryFilter(
            wanted.webhook,
            wanted.state,
            None,
            seconds_of(wanted.received_from),
            seconds_of(wanted.received_before),
        )
        records, following = await self._read(where, wanted.cursor, wanted.limit)
        done: list[DeliveryTaken] = []
        failed: list[NotRedelivered] = []
        for each in records:
            try:
                done.append(await self.redeliver(each.delivery_id, actor))
            except StoreError:
                raise
            except HoldfastError as error:
                why = self._desk.redaction.text(error.message())
                failed.append(NotRedelivered(delivery=each.delivery_id, why=why))
        return Redelivered(done=done, failed=failed, next=following)

    async def _read(
        self, where: DeliveryFilter, cursor: str | None, limit: int
    ) -> tuple[list[DeliveryRecord], str | None]:
        try:
            return await self._store.deliveries(where, cursor, min(limit, DELIVERIES_MAX))
        except (ValueError, OverflowError):
            raise InputError("the filter", (("/cursor", "expected the `next` of a page"),)) from None

    async def _find(self, delivery: int) -> DeliveryRecord:
        record = await self._store.delivery(delivery)
        if record is None:
            raise UnknownNameError("delivery", str(delivery), remedy="See what there is: holdfast deliveries list")
        return record
