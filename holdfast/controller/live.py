"""How runs change, as it happens: what a stream of all runs tells, and where its reader is.

Owns: the form of a position outside, which changes a reader wants, when to look again.
Must not know: HTTP, where changes come from.

A position is durable: it means the same to every process on the store, before and after a restart. A reader who says
how far it has got misses nothing that was committed since, however long it was away. It is told again only what it has
got and not noted: the last change, when its connection broke between the two.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass
from typing import Any, Final

from holdfast.controller.times import iso_time
from holdfast.errors import InputError
from holdfast.ports.engine import Engine
from holdfast.ports.operations import Change, Position

LOOK_SECONDS: Final = 0.25
"""How often to look for changes."""
READ_PAGES: Final = 500
"""How many pages of histories are looked at before others have their turn."""

_POSITION: Final = re.compile(r"(?P<page>[0-9]{1,18})-(?P<change>[0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which changes a reader wants. All that is given has to hold."""

    workflow: str | None = None
    statuses: Collection[str] = ()
    only: Collection[str] = ()
    """The workflows that are their business; none is all of them."""

    def fits(self, change: Change) -> bool:
        """Say whether it is one of these."""
        return (
            (self.workflow is None or change.workflow == self.workflow)
            and (not self.statuses or change.status in self.statuses)
            and (not self.only or change.workflow in self.only)
        )


class LiveChanges:
    """The changes after a position that a reader wants, as they are committed. An async iterator of documents."""

    def __init__(self, engine: Engine, wanted: Wanted, position: Position) -> None:
        """Begin after `position`."""
        self._wanted = wanted
        self._read = position
        self._documents = self._follow(engine)

    @property
    def position(self) -> str:
        """How far was read, changes that nobody here wants included."""
        return written(self._read)

    def __aiter__(self) -> LiveChanges:
        """Return the changes."""
        return self

    async def __anext__(self) -> dict[str, Any]:
        """Return the next change."""
        return await anext(self._documents)

    async def aclose(self) -> None:
        """Stop looking."""
        await self._documents.aclose()

    async def _follow(self, engine: Engine) -> AsyncGenerator[dict[str, Any], None]:
        while True:
            found = await engine.changes(self._read, READ_PAGES)
            for each in found.changes:
                self._read = each.position
                if self._wanted.fits(each):
                    yield change_document(each)
            self._read = found.position
            await asyncio.sleep(0 if found.more else LOOK_SECONDS)


def change_document(change: Change) -> dict[str, Any]:
    """Return a change as a JSON object."""
    return {
        "id": written(change.position),
        "type": change.status,
        "time": iso_time(change.at),
        "run_id": change.run_id,
        "execution": change.execution,
        "workflow": change.workflow,
        "status": change.status,
    }


def written(position: Position) -> str:
    """Return a position as it is written outside."""
    return f"{position.page}-{position.change}"


def read_position(text: str) -> Position:
    """Read a position. Raises InputError: it is none of ours."""
    found = _POSITION.fullmatch(text)
    if found is None:
        raise InputError("the position", (("", "expected the id of an event, such as 1042-7"),))
    return Position(int(found["page"]), int(found["change"]))
