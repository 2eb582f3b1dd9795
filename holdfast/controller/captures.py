"""Captures: what went wrong, to be taken home.

Owns: their pages, and handing out one.
Must not know: HTTP, how they are made, where they are kept.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from holdfast.controller.documents import CapturePage, capture_document
from holdfast.controller.events import event_document
from holdfast.errors import InputError, UnknownNameError
from holdfast.history import History
from holdfast.ports.captures import Captures
from holdfast.ports.engine import RecordedEvent

CAPTURES_MAX: Final = 500
"""How many captures one page holds at most."""


class CaptureShelf:
    """The captures of a system, as documents."""

    def __init__(self, captures: Captures | None) -> None:
        """Look at `captures`; None is an empty shelf."""
        self._captures = captures

    async def page(self, *, cursor: str | None = None, limit: int = 50) -> CapturePage:
        """Return captures, newest first.

        Raises:
            InputError: the cursor is none of ours, or the capture it names is gone.
        """
        entries = await asyncio.to_thread(self._captures.entries) if self._captures is not None else []
        start = 0
        if cursor is not None:
            names = [each.name for each in entries]
            if cursor not in names:
                raise InputError("the filter", (("/cursor", "expected the `next` of a page"),))
            start = names.index(cursor) + 1
        page = entries[start : start + min(limit, CAPTURES_MAX)]
        more = len(entries) > start + len(page)
        return CapturePage(captures=[capture_document(each) for each in page], next=page[-1].name if more else None)

    def events(self, history: History) -> list[dict[str, Any]]:
        """Return the events of a capture, or of another history, as those of a run are shown."""
        return [
            event_document(RecordedEvent(number, event), payloads=True)
            for number, event in enumerate(history.events, start=1)
        ]

    async def read(self, wanted: str) -> tuple[str, bytes]:
        """Return a capture's name and its file; a run id stands for its newest capture.

        Raises:
            UnknownNameError: there is none.
        """
        if self._captures is None:
            raise UnknownNameError("capture", wanted, ())
        entry = await asyncio.to_thread(self._captures.find, wanted)
        try:
            return entry.name, await asyncio.to_thread(entry.path.read_bytes)
        except OSError:
            raise UnknownNameError("capture", wanted, ()) from None  # pruned meanwhile
