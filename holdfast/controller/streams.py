"""What steps of a run say while they are at it: which streams there are, and one of them as it grows.

Owns: the form of a place outside, what a reader is told, when to look again.
Must not know: HTTP, who says it.

A place is an epoch and a number of characters, `2-140`, and means the same to every process on the store, before and
after a restart. A reader that resumes there misses nothing and is told nothing twice. When another attempt says
everything anew, readers are told so: what they have is void, and the text begins again.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Final

from holdfast.controller.documents import StreamList, stream_document
from holdfast.errors import InputError, UnknownNameError
from holdfast.ports.engine import Engine
from holdfast.ports.operations import BROKEN, TERMINAL, RunRecord, Said
from holdfast.ports.store import Store

LOOK_SECONDS: Final = 0.2
"""How often to look for more."""
_PLACE: Final = re.compile(r"(?P<epoch>[0-9]{1,18})-(?P<start>[0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a stream."""

    epoch: int = 0
    start: int = 0
    """How many characters come before it."""

    def __str__(self) -> str:
        """Return it as it is written outside."""
        return f"{self.epoch}-{self.start}"


BEGINNING: Final = Place()


def read_place(text: str) -> Place:
    """Read a place. Raises InputError: it is none."""
    found = _PLACE.fullmatch(text)
    if found is None:
        raise InputError("the place", (("", "expected the id of an event of the stream, such as 2-140"),))
    return Place(int(found["epoch"]), int(found["start"]))


class Streams:
    """The streams of runs, as documents."""

    def __init__(self, engine: Engine, store: Store) -> None:
        """Read what is said from `store`, and from `engine` whether more may come."""
        self._engine = engine
        self._store = store

    async def of(self, run_id: str) -> StreamList:
        """Return the streams of a run. Raises RunNotFoundError."""
        record = await self._engine.describe(run_id)
        return StreamList(streams=[stream_document(each) for each in await self._store.streams(record.run_id)])

    async def follow(self, run_id: str, name: str, after: Place) -> AsyncGenerator[dict[str, Any], None] | None:
        """Return what is said behind a place, as it is said.

        Args:
            run_id: the run.
            name: the step, and which of its streams; empty for the one that began last.
            after: a place in it.

        Returns:
            None where there is nothing left to come.

        Raises:
            RunNotFoundError: there is no such run.
            UnknownNameError: it has ended, and there is no such stream.
        """
        record = await self._engine.describe(run_id)
        found = await self._said(record, name, after)
        if found is None and record.status in TERMINAL:
            known = [each.name for each in await self._store.streams(record.run_id)]
            raise UnknownNameError("stream", name or "of any name", tuple(known))
        if found is not None and _is_over(found[1], after, closed=record.status in TERMINAL):
            return None
        return self._follow(record, name, after)

    async def _follow(self, record: RunRecord, name: str, after: Place) -> AsyncGenerator[dict[str, Any], None]:
        told = False
        while True:
            # Asked before, so that nothing can be said between the last look at the stream and the end of the run.
            closed = (await self._engine.describe(record.execution)).status in TERMINAL
            found = await self._said(record, name, after)
            more = False
            if found is not None:
                name, said = found
                if said.epoch != after.epoch:
                    after, told = Place(said.epoch), False
                    yield {"id": str(after), "type": "began", "name": name, "epoch": said.epoch}
                for place, body in said.pieces:
                    text = body.decode()[max(0, after.start - place) :]
                    after = Place(said.epoch, after.start + len(text))
                    yield {"id": str(after), "type": "text", "text": text}
                more = after.start < said.characters
                if said.ended and not more and not told:
                    told = True
                    yield {"id": str(after), "type": "ended", "how": said.ended}
                if _is_over(said, after, closed=closed):
                    return
            elif closed:
                return
            await asyncio.sleep(0 if more else LOOK_SECONDS)

    async def _said(self, record: RunRecord, name: str, after: Place) -> tuple[str, Said] | None:
        if not name:
            of_it = [each for each in await self._store.streams(record.run_id) if each.execution == record.execution]
            if not of_it:
                return None
            name = of_it[-1].name
        said = await self._store.said(record.execution, name, after.epoch, after.start)
        return None if said is None else (name, said)


def _is_over(said: Said, after: Place, *, closed: bool) -> bool:
    """Say whether nothing comes behind a place: one that broke off may be said anew while its run goes on."""
    everything = said.epoch == after.epoch and after.start >= said.characters
    return everything and (closed or bool(said.ended and said.ended != BROKEN))
