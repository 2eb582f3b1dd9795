"""Who holds the results of tasks against what results have been like.

Owns: the shape of it; which one the code of a task finds.
Must not know: what is learned, where it is kept.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Protocol

from holdfast.ports.served import Served
from holdfast.ports.task import current_task


class Results(Protocol):
    """Asked from any event loop, and by code that blocks."""

    async def refuse(self, task: str) -> None:
        """Make no attempt whose result is known not to be what is expected. Raises ApiDrift."""

    def refuse_and_block(self, task: str) -> None:
        """Do the same, for code that blocks."""

    async def hold(self, task: str, result: bytes, matches: Collection[str]) -> bytes:
        """Hold a result, as JSON text, against those before, or learn from it.

        Returns it, or what an accepted mapping makes of it. Raises ApiDrift.
        """

    def hold_and_block(self, task: str, result: bytes, matches: Collection[str]) -> bytes:
        """Do the same, for code that blocks."""

    async def mapped(self, task: str, result: bytes) -> bytes | None:
        """Return what an accepted mapping makes of a result, as JSON text; None where there is none."""

    def mapped_and_block(self, task: str, result: bytes) -> bytes | None:
        """Do the same, for code that blocks."""


results: Final[Served[Results]] = Served()


def results_here() -> Results | None:
    """Return who holds the running task's result; None outside of tasks, and where no store is behind them."""
    return results.newest() if current_task.get(None) is not None else None
