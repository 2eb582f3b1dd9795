"""The audit log: who did what.

Owns: its pages.
Must not know: HTTP, how acts are noted.
"""

from __future__ import annotations

from typing import Final

from holdfast.controller.documents import AuditPage, audit_document
from holdfast.errors import InputError
from holdfast.ports.operations import AuditFilter
from holdfast.ports.store import Store

AUDIT_MAX: Final = 500
"""How many entries one page holds at most."""


class AuditLog:
    """The audit log of a store, as documents."""

    def __init__(self, store: Store) -> None:
        """Read `store`."""
        self._store = store

    async def page(self, where: AuditFilter, *, cursor: str | None = None, limit: int = 50) -> AuditPage:
        """Return the entries that are wanted, newest first. Raises InputError: the cursor is none of ours."""
        try:
            entries, following = await self._store.audit(where, cursor, min(limit, AUDIT_MAX))
        except (ValueError, OverflowError):
            raise InputError("the filter", (("/cursor", "expected the `next` of a page"),)) from None
        return AuditPage(entries=[audit_document(each) for each in entries], next=following)
