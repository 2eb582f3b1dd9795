"""The bell inside one process: who listens here, and what was rung.

Owns: listeners, and that everything rung in one pass of the event loop is one call of each.
Must not know: other processes, and how they are reached.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress

from holdfast.ports.bus import Listener


class Bell:
    """Rings whoever listens in this process. All but `ring` belongs to the event loop that it was opened on."""

    def __init__(self, pass_on: Callable[[frozenset[str]], None]) -> None:
        """Call `pass_on` once a pass with what was rung here, before anybody here is called."""
        self._pass_on = pass_on
        self._listeners: dict[int, Listener] = {}
        self._listened = 0
        self._rung: set[str] = set()
        self._heard: set[str] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0

    @property
    def is_open(self) -> bool:
        """Whether it rings."""
        return self._loop is not None

    def open(self) -> None:
        """Begin to ring, on the event loop that runs now."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()

    def close(self) -> None:
        """Ring what was rung before, and no more."""
        self._flush()
        self._loop = None

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with the topics rung, on the event loop; return what stops it."""
        self._listened += 1
        number = self._listened
        self._listeners[number] = listener

        def stop() -> None:
            self._listeners.pop(number, None)

        return stop

    def ring(self, topics: Iterable[str]) -> None:
        """Ring topics here and pass them on, soon and at most once each. May be called from any thread."""
        loop = self._loop
        if loop is None:
            return
        if threading.get_ident() != self._thread:
            with suppress(RuntimeError):  # the loop is closed: nobody listens
                loop.call_soon_threadsafe(self.ring, frozenset(topics))
            return
        self._flush_soon(loop)
        self._rung.update(topics)

    def sound(self, topics: Iterable[str]) -> None:
        """Ring topics here that were rung elsewhere."""
        if self._loop is not None:
            self._flush_soon(self._loop)
            self._heard.update(topics)

    def _flush_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._rung and not self._heard:
            loop.call_soon(self._flush)

    def _flush(self) -> None:
        rung, heard = frozenset(self._rung), frozenset(self._heard)
        self._rung.clear()
        self._heard.clear()
        if self._loop is None:
            return
        if rung:
            self._pass_on(rung)
        if topics := rung | heard:
            for listener in tuple(self._listeners.values()):
                # Each on its own, so that one that raises is reported and does not silence the others.
                self._loop.call_soon(listener, topics)
