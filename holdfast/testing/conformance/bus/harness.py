"""What the checks of a bus share: the harness, and how they hear.

Owns: what a test of one implementation provides.
Must not know: how rings travel, which test runner calls.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TypeAlias

from holdfast.testing.conformance.store import expect

if TYPE_CHECKING:
    from holdfast.ports.bus import Bus


class BusHarness(Protocol):
    """A place where buses meet."""

    @property
    def patience_seconds(self) -> float:
        """How long what is promised may take."""

    async def open(self, store: str = "a") -> Bus:
        """Return an open bus of a store: another end of it, as another process would have one."""

    async def ring_elsewhere(self, topics: Iterable[str]) -> None:
        """Have another process open a bus of store `a`, ring and close it."""


class ServerHarness(BusHarness, Protocol):
    """The same, by way of a server that can fail. It runs when a check begins."""

    async def kill(self) -> None:
        """End the server by force."""

    async def start(self) -> None:
        """Start the server that was killed, at the same place."""

    async def freeze(self) -> None:
        """Stop the server where it is: nothing answers, and nothing is closed."""

    async def thaw(self) -> None:
        """Let the server go on."""

    async def open_apart(self) -> Bus:
        """Return an open bus of store `a` whose way to the server can be cut without cutting others'."""

    async def cut_apart(self) -> None:
        """Cut that way."""

    async def mend_apart(self) -> None:
        """Open that way again."""


Check: TypeAlias = Callable[[BusHarness], Awaitable[None]]
"""One promise."""
OutageCheck: TypeAlias = Callable[[ServerHarness], Awaitable[None]]
"""One promise of a bus that goes by way of a server."""


class Ear:
    """Listens to a bus, and remembers what it heard."""

    def __init__(self, bus: Bus, patience_seconds: float) -> None:
        """Listen to `bus`."""
        self.calls: list[frozenset[str]] = []
        self._patience_seconds = patience_seconds
        self._called = asyncio.Event()
        self.stop = bus.listen(self._hear)

    @property
    def heard(self) -> frozenset[str]:
        """Every topic heard so far."""
        return frozenset().union(*self.calls)

    def forget(self) -> None:
        """Begin anew."""
        self.calls.clear()

    async def wait(self, topics: Iterable[str], what: str) -> None:
        """Wait until all of `topics` were heard. Raises AssertionError, which says `what` was promised."""
        wanted = frozenset(topics)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience_seconds):
                while not wanted <= self.heard:
                    self._called.clear()
                    await self._called.wait()
        expect(wanted <= self.heard, f"{what}; heard {sorted(self.heard)}")

    async def wait_quiet(self, topic: str, ring: Callable[[], None]) -> None:
        """Wait until nothing is under way any more: what is rung now has been heard."""
        ring()
        await self.wait((topic,), f"{topic} is heard")

    def _hear(self, topics: frozenset[str]) -> None:
        self.calls.append(topics)
        self._called.set()


class Words(logging.Handler):
    """What buses log meanwhile: a context manager."""

    def __init__(self, patience_seconds: float) -> None:
        """Hear nothing yet."""
        super().__init__()
        self.warnings: list[str] = []
        self.others: list[str] = []
        self._patience_seconds = patience_seconds
        self._logger = logging.getLogger("holdfast.bus")
        self._level = self._logger.level
        self._said = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Note a line."""
        noted = self.warnings if record.levelno >= logging.WARNING else self.others
        noted.append(record.getMessage())
        self._said.set()

    async def wait_warnings(self, count: int, what: str) -> None:
        """Wait for so many warnings. Raises AssertionError, which says `what` was promised."""
        await self._wait(self.warnings, count, what)

    async def wait_others(self, count: int, what: str) -> None:
        """Wait for so many lines that are no warnings. Raises AssertionError, which says `what` was promised."""
        await self._wait(self.others, count, what)

    async def _wait(self, lines: list[str], count: int, what: str) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience_seconds):
                while len(lines) < count:
                    self._said.clear()
                    await self._said.wait()
        expect(len(lines) >= count, what)

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._logger.addHandler(self)
        self._logger.setLevel(logging.INFO)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self._logger.removeHandler(self)
        self._logger.setLevel(self._level)
