"""A server that passes rings on between processes.

Owns: the shape of such a server, and of a line to it; how both say that they fail.
Must not know: which server it is, what a message means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(eq=False)
class CutOffError(Exception):
    """The exchange cannot be reached, or is not there any more: it may be, later."""

    why: str

    def __str__(self) -> str:
        """Return why."""
        return self.why


class DeafError(CutOffError):
    """The exchange takes messages, and passes none on to this end of the line. Trying again soon is of no use."""


@dataclass(eq=False)
class RefusedError(Exception):
    """What answers is no exchange, or does not serve us. Waiting does not change that; people do."""

    what: str
    remedy: str

    def __str__(self) -> str:
        """Return what is wrong."""
        return self.what


class Line(Protocol):
    """An open line. What is sent arrives at the end of every line that is open, at most once, this one included."""

    async def send(self, message: str) -> None:
        """Send a message: ASCII, below a kilobyte. Raises CutOffError, RefusedError."""

    async def receive(self) -> str:
        """Return the next message. Raises CutOffError when the line is cut."""

    async def check(self) -> None:
        """Return when the other end has answered. Raises CutOffError when the line is cut."""

    async def close(self) -> None:
        """Hang up, and leave nothing behind, whatever state the line is in."""


class Exchange(Protocol):
    """Where lines lead to: one place on one server, for one store."""

    @property
    def name(self) -> str:
        """What it is called in logs: its address, without secrets."""

    async def connect(self) -> Line:
        """Return a line on which messages arrive from now on.

        Raises:
            CutOffError: it cannot be reached.
            RefusedError: what answers there will never do.
        """
