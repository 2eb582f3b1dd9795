"""Which slot of a server holds which prefix, and whose turn it is.

Owns: `Slots`.
Must not know: servers, what a prefix is.

A slot is used by one at a time. Who waits is given a slot that holds what he needs, if there is one; but nobody is
passed over more than PASSES_MAX times by those behind him. Those who wait may be in different event loops.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

PASSES_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class Taken:
    """A slot, and whether it holds what was asked for."""

    slot: int
    holds: bool


@dataclass(slots=True)
class _Waiting:
    prefix: str
    future: Future[Taken] = field(default_factory=Future)
    passes: int = 0


class Slots:
    """The slots of one server. Thread-safe."""

    def __init__(self, count: int) -> None:
        """Begin with `count` slots that hold nothing."""
        self._guard = threading.Lock()
        self._held = [""] * count
        self._free: deque[int] = deque(range(count))
        """Used longest ago first."""
        self._waiting: deque[_Waiting] = deque()

    @property
    def held(self) -> frozenset[str]:
        """The prefixes that slots hold."""
        with self._guard:
            return frozenset(self._held) - {""}

    def take(self, prefix: str) -> Future[Taken]:
        """Return what becomes a slot: one that holds `prefix`, else one that holds nothing, else any.

        An empty `prefix` stands for none. A future that is cancelled before it has a result takes nothing.
        """
        waiting = _Waiting(prefix)
        with self._guard:
            self._waiting.append(waiting)
            self._serve()
        return waiting.future

    def give_back(self, slot: int, holds: str) -> None:
        """Let the next one have a slot, which holds the prefix `holds` now; nothing when it is empty."""
        with self._guard:
            self._held[slot] = holds
            self._free.append(slot)
            self._serve()

    def _serve(self) -> None:
        while self._free and self._waiting:
            chosen = self._next()
            if not chosen.future.set_running_or_notify_cancel():
                continue
            slot = min(self._free, key=lambda each: self._rank(each, chosen.prefix))
            self._free.remove(slot)
            chosen.future.set_result(Taken(slot, bool(chosen.prefix) and self._held[slot] == chosen.prefix))

    def _next(self) -> _Waiting:
        """Take out who is next: the first whose prefix a free slot holds, unless the very first was passed enough."""
        first = self._waiting[0]
        free = {self._held[each] for each in self._free} - {""}
        if first.passes < PASSES_MAX:
            for each in self._waiting:
                if each.prefix in free:
                    first.passes += each is not first
                    self._waiting.remove(each)
                    return each
        return self._waiting.popleft()

    def _rank(self, slot: int, prefix: str) -> int:
        held = self._held[slot]
        if prefix and held == prefix:
            return 0
        return 1 if not held else 2
