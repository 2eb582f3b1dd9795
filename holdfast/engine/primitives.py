"""`asyncio.Semaphore` and `asyncio.Condition`, alike on every Python.

Owns: what their waiting and waking does on a workflow's loop.
Must not know: history, steps.

Why: releases of Python differ in who is woken when a waiter is cancelled just as its turn came. Whoever runs first
issues first, so that moves commands. Here a turn that is not taken goes to the next in line, at once.

These functions take the place of the methods of asyncio's own classes, and use the attributes that their `__init__`
makes: `_value`, `_waiters`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Literal


async def acquire(self: Any) -> Literal[True]:
    """Take a place of a semaphore, after everybody who came before."""
    if not locked(self):
        self._value -= 1
        return True
    line = _line(self)
    turn = asyncio.get_running_loop().create_future()
    line.append(turn)
    try:
        await turn
    except BaseException:
        line.remove(turn)
        if turn.done() and not turn.cancelled():  # the place was handed over, and nobody takes it
            self._value += 1
        _hand_over(self)
        raise
    line.remove(turn)
    return True


def release(self: Any) -> None:
    """Give a place of a semaphore back, to the next in line if there is one."""
    self._value += 1
    _hand_over(self)


def locked(self: Any) -> bool:
    """Say whether `acquire` would have to wait."""
    return self._value <= 0 or any(not turn.cancelled() for turn in _line(self))


def _line(semaphore: Any) -> deque[asyncio.Future[Any]]:
    line: deque[asyncio.Future[Any]] | None = semaphore._waiters
    if line is None:
        line = semaphore._waiters = deque()
    return line


def _hand_over(semaphore: Any) -> None:
    # Those whose turn has come stay in line until they run: nobody who comes now may overtake them.
    for turn in _line(semaphore):
        if semaphore._value <= 0:
            return
        if not turn.done():
            semaphore._value -= 1
            turn.set_result(True)


async def wait(self: Any) -> Literal[True]:
    """Give a condition's lock back, wait to be notified, take the lock again."""
    if not self.locked():
        raise RuntimeError("cannot wait on a condition whose lock is not held")
    notice = asyncio.get_running_loop().create_future()
    self.release()
    try:
        self._waiters.append(notice)
        try:
            await notice
        finally:
            self._waiters.remove(notice)
            await _take_back(self)
    except BaseException:
        if notice.done() and not notice.cancelled():  # notified, but too late to act on it
            _notify(self, 1)
        raise
    return True


def notify(self: Any, n: int = 1) -> None:
    """Wake up to `n` of those who wait, in the order in which they came."""
    if not self.locked():
        raise RuntimeError("cannot notify on a condition whose lock is not held")
    _notify(self, n)


def _notify(condition: Any, n: int) -> None:
    for notice in condition._waiters:
        if n <= 0:
            return
        if not notice.done():
            n -= 1
            notice.set_result(False)


async def _take_back(condition: Any) -> None:
    # However often the waiter is cancelled, it leaves with the lock held: its `async with` block gives it back.
    cancelled: asyncio.CancelledError | None = None
    while True:
        try:
            await condition.acquire()
            break
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        try:
            raise cancelled
        finally:
            cancelled = None  # break the reference cycle through the traceback
