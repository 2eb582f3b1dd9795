"""A loop that looks at something when its time has come, when the bell rings, and now and then although nothing rang.

Owns: the loop's life, how long it waits, and what it does when a look goes wrong.
Must not know: what is looked at.
"""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final

from holdfast.observe import logger, warn_of
from holdfast.ports.bus import Bus

TROUBLE_SECONDS: Final = 5.0
"""How long to wait after something went wrong."""

log = logger("holdfast.controller")


class Lookout(ABC):
    """Looks, and waits until it has to look again."""

    def __init__(self, bus: Bus, poll_seconds: float, *, name: str, what: str) -> None:
        """Listen to `bus`, and look every `poll_seconds` at least; `what` is looked at, as the log is to say it."""
        self._bus = bus
        self._poll_seconds = poll_seconds
        self._name = name
        self._what = what
        self._rung = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stop_listening: Callable[[], None] | None = None
        self.next_due: float | None = None
        """When it looks next, by the store's clock; None when only the bell can tell."""

    @abstractmethod
    def _concerns(self, topics: frozenset[str]) -> bool:
        """Say whether a ring is a reason to look."""

    @abstractmethod
    async def _look(self) -> float:
        """Do what is due; return how long there is nothing to do, in seconds."""

    async def _rest(self) -> None:  # noqa: B027 - most need none
        """Wait a little after a ring, where others are likely to follow it."""

    async def open(self) -> None:
        """Begin."""
        self._stop_listening = self._bus.listen(self._heard)
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"holdfast {self._name}")

    async def close(self) -> None:
        """Stop; what is being written is written or not, as a whole."""
        if self._stop_listening is not None:
            self._stop_listening()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _heard(self, topics: frozenset[str]) -> None:
        if self._concerns(topics):
            self._rung.set()

    async def _run(self) -> None:
        while True:
            self._rung.clear()
            try:
                seconds = await self._look()
            except Exception as error:  # noqa: BLE001 - it is looked at as long as there is a controller
                warn_of(log, f"the {self._what} could not be looked at", error)
                await asyncio.sleep(TROUBLE_SECONDS)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, seconds)):
                    await self._rung.wait()
                await self._rest()
