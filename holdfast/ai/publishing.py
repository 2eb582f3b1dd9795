"""What a model writes, told to others while it is written.

Owns: how often something is told, what a stream is called.
Must not know: models, who reads along, where it is kept.

Telling is beside the point: it makes a task wait at its end alone, and never fails one. What was not told yet when the
time comes is told together.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeAlias

from holdfast.errors import DefinitionError, HoldfastError
from holdfast.observe import logger
from holdfast.ports.books import books_here
from holdfast.ports.operations import BROKEN, WHOLE, OpenStream, Say
from holdfast.ports.task import TaskInfo, current_task

if TYPE_CHECKING:
    from holdfast.ports.books import Books

TELL_SECONDS: Final = 0.15
"""How often a stream is written to: more often, and a fleet's streams would keep a store busy."""
END_SECONDS: Final = 5.0
"""How long a task waits at its end until the last words are told; after that nobody hears them."""
NAME_CHARACTERS_MAX: Final = 100

log = logger("holdfast.ai")


Follow: TypeAlias = Callable[[AsyncIterator[str]], AsyncIterator[str]]
"""What takes pieces, and gives them again."""


@asynccontextmanager
async def telling(name: str) -> AsyncIterator[Follow]:
    """Give what tells the pieces that go through it; outside of tasks, they only go through.

    Raises:
        DefinitionError: `name` is no name.
    """
    if len(name) > NAME_CHARACTERS_MAX or not name.isprintable() or "/" in name:
        raise DefinitionError(f"name of a stream has to be up to {NAME_CHARACTERS_MAX} printable characters without /")
    task, books = current_task.get(None), books_here()
    if task is None or books is None:
        yield lambda pieces: pieces
        return
    teller = Teller(books, _stream_of(task.info, name))
    told = asyncio.create_task(teller.run(), name="holdfast stream")
    try:
        yield teller.following
    except BaseException:
        teller.ended = BROKEN  # also where all of it was read, and turned out not to be the whole
        raise
    finally:
        teller.over.set()
        await asyncio.wait([told], timeout=END_SECONDS)
        told.cancel()


class Teller:
    """Tells what one attempt says."""

    def __init__(self, books: Books, stream: OpenStream) -> None:
        """Tell it in `stream`, which is opened anew."""
        self._books = books
        self._stream = stream
        self._untold: list[str] = []
        self._told = 0
        self.ended = BROKEN
        """How it ends: one that is not read to its end is broken, for whatever reason."""
        self.over = asyncio.Event()
        """Set when no more is said."""

    async def following(self, pieces: AsyncIterator[str]) -> AsyncIterator[str]:
        """Give pieces, and have each of them told."""
        async for piece in pieces:
            self._untold.append(piece)
            yield piece
        self.ended = WHOLE

    async def run(self) -> None:
        """Tell what is said until its end."""
        try:
            epoch = await self._books.open_stream(self._stream)
            wanted = epoch > 0
            while wanted:
                wanted = await self._tell(epoch, self.ended if await self._is_over() else "")
        except HoldfastError as error:
            log.warning("what a task says could not be told", step=self._stream.name, error=str(error))

    async def _is_over(self) -> bool:
        try:
            async with asyncio.timeout(TELL_SECONDS):
                await self.over.wait()
        except TimeoutError:
            return False
        return True

    async def _tell(self, epoch: int, ended: str) -> bool:
        text, self._untold = "".join(self._untold), []
        if not text and not ended:
            return True
        stream, start = self._stream, self._told
        self._told += len(text)
        body = text.encode("utf-8", "replace")
        return await self._books.say(Say(stream.execution, stream.name, epoch, start, len(text), body, ended))


def _stream_of(info: TaskInfo, name: str) -> OpenStream:
    return OpenStream(info.execution, f"{info.step}/{name}" if name else info.step, info.run_id)
