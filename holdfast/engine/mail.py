"""Signals that no handler takes: kept until code waits for them.

Owns: the order in which signals and those who wait for them meet, and that none is lost between the two.
Must not know: events, handlers, payloads' content.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Generator
from typing import Any

from holdfast.engine.futures import OrderedFuture


class Mail:
    """The unread signals of one execution, and who waits for which."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._unread: dict[str, deque[bytes]] = {}
        self._waiting: dict[str, deque[Awaited]] = {}

    def deliver(self, name: str, payload: bytes) -> None:
        """Hand a signal to whoever has waited longest for its name, or keep it."""
        if not self._hand_over(name, payload):
            self._unread.setdefault(name, deque()).append(payload)

    def wait(self, name: str, loop: Any) -> Awaited:
        """Return a future of the next signal called `name`; of the oldest unread one, if there is one."""
        future = Awaited(self, name, loop)
        unread = self._unread.get(name)
        if unread:
            future.set_result(unread.popleft())
        else:
            waiting = self._waiting.setdefault(name, deque())
            while waiting and waiting[0].done():  # a loop of waits with time-outs must not pile up
                del waiting[0]
            waiting.append(future)
        return future

    def put_back(self, name: str, payload: bytes) -> None:
        """Take back a signal whose receiver was cancelled before it could look at it."""
        if not self._hand_over(name, payload):
            self._unread.setdefault(name, deque()).appendleft(payload)

    def _hand_over(self, name: str, payload: bytes) -> bool:
        waiting = self._waiting.get(name)
        while waiting:
            future = waiting.popleft()
            if not future.done():
                future.set_result(payload)
                return True
        return False


class Awaited(OrderedFuture):
    """A signal that is waited for."""

    __slots__ = ("_mail", "_name")

    def __init__(self, mail: Mail, name: str, loop: Any) -> None:
        """Wait for a signal called `name`."""
        super().__init__(loop=loop)
        self._mail = mail
        self._name = name

    def __await__(self) -> Generator[Any, None, bytes]:
        """Wait; a receiver that is cancelled just as the signal came leaves it to the next one."""
        try:
            payload: bytes = yield from super().__await__()
        except asyncio.CancelledError:
            if self.done() and not self.cancelled():
                self._mail.put_back(self._name, self.result())
            raise
        return payload

    __iter__ = __await__
