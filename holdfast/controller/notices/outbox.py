"""The outbox: who is told that runs have ended, and what came of it.

Owns: its pages, and sending one again.
Must not know: HTTP routes, how a notice is sent.
"""

from __future__ import annotations

from typing import Final, Literal

from holdfast.controller.actors import store_of
from holdfast.controller.documents import Notice, NoticePage, notice_document
from holdfast.errors import UnknownNameError
from holdfast.ports.operations import ResendNotice
from holdfast.ports.store import Store

NOTICES_MAX: Final = 500
"""How many notices one page holds at most."""

NoticeStatus = Literal["WAITING", "DUE", "SENT", "UNSENT"]


class Outbox:
    """The notices of a store, as documents."""

    def __init__(self, store: Store) -> None:
        """Read `store`."""
        self._store = store

    async def page(
        self, *, run_id: str = "", status: NoticeStatus | Literal[""] = "", cursor: int | None = None, limit: int = 50
    ) -> NoticePage:
        """Return who is told that runs have ended, the newest first."""
        found = await self._store.notices(run_id=run_id, status=status, before=cursor, limit=limit + 1)
        more = found[limit - 1].notice_id if len(found) > limit else None
        return NoticePage(notices=[notice_document(each) for each in found[:limit]], next=more)

    async def resend(self, notice_id: int, by: str = "") -> Notice:
        """Send a notice again that was heard or given up. Raises UnknownNameError."""
        (found,) = await store_of(self._store, by).write([ResendNotice(notice_id)])
        if not found:
            raise UnknownNameError(
                "notice that was heard or given up", str(notice_id), remedy="See what there is: holdfast notices list"
            )
        (record,) = await self._store.notices(before=notice_id + 1, limit=1)
        return notice_document(record)
