"""Signals that no handler takes: kept until code waits for them.

Owns: the order in which signals and those who wait for them meet.
Must not know: handlers, payloads' content.

A waiter is woken by the first callback of the drain in which its signal came, so nothing can cancel it in between, and
no signal is lost on the way.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from holdfast.history import SignalReceived


class Mail:
    """The unread signals of one execution, and who waits for which."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._unread: dict[str, deque[tuple[int, SignalReceived]]] = {}
        self._kept = 0
        self._waiting: dict[str, deque[asyncio.Future[bytes]]] = {}

    def deliver(self, event: SignalReceived) -> None:
        """Hand a signal to whoever has waited longest for its name, or keep it."""
        waiting = self._waiting.get(event.name)
        while waiting:
            future = waiting.popleft()
            if not future.done():
                future.set_result(payload_of(event))
                return
        self._kept += 1
        self._unread.setdefault(event.name, deque()).append((self._kept, event))

    def unread(self) -> list[SignalReceived]:
        """Return the signals that nobody has taken, in the order in which they came."""
        return [
            event
            for _, event in sorted((each for kept in self._unread.values() for each in kept), key=lambda each: each[0])
        ]

    def awaited(self) -> tuple[str, ...]:
        """Return the names of the signals that somebody waits for, in the order of their first wait."""
        return tuple(name for name, waiting in self._waiting.items() if any(not each.done() for each in waiting))

    def wait(self, name: str, future: asyncio.Future[bytes]) -> None:
        """Resolve `future` with the oldest unread signal called `name`, or with the next one."""
        unread = self._unread.get(name)
        if unread:
            future.set_result(payload_of(unread.popleft()[1]))
            return
        waiting = self._waiting.setdefault(name, deque())
        while waiting and waiting[0].done():  # a loop of waits with time-outs must not pile up
            del waiting[0]
        waiting.append(future)


def payload_of(event: Any) -> bytes:
    """Return what a message carries, as JSON text."""
    payload = event.input
    assert isinstance(payload, bytes)  # references are resolved when a page is opened
    return payload
