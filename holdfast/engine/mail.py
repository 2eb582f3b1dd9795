"""Signals that no handler takes: kept until code waits for them.

Owns: the order in which signals and those who wait for them meet.
Must not know: events, handlers, payloads' content.

A waiter is woken by the first callback of the drain in which its signal came, so nothing can cancel it in between, and
no signal is lost on the way.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Mail:
    """The unread signals of one execution, and who waits for which."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._unread: dict[str, deque[bytes]] = {}
        self._waiting: dict[str, deque[asyncio.Future[bytes]]] = {}

    def deliver(self, name: str, payload: bytes) -> None:
        """Hand a signal to whoever has waited longest for its name, or keep it."""
        waiting = self._waiting.get(name)
        while waiting:
            future = waiting.popleft()
            if not future.done():
                future.set_result(payload)
                return
        self._unread.setdefault(name, deque()).append(payload)

    def wait(self, name: str, future: asyncio.Future[bytes]) -> None:
        """Resolve `future` with the oldest unread signal called `name`, or with the next one."""
        unread = self._unread.get(name)
        if unread:
            future.set_result(unread.popleft())
            return
        waiting = self._waiting.setdefault(name, deque())
        while waiting and waiting[0].done():  # a loop of waits with time-outs must not pile up
            del waiting[0]
        waiting.append(future)
