"""What this process holds of prefixes of prompts, so that tasks with the same prefix can be sent to it.

Owns: which holders there are.
Must not know: models, who is told.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Final, Protocol
from weakref import WeakSet


class Holder(Protocol):
    """Keeps prefixes in the memory of this process, or of one that belongs to it."""

    @property
    def holdings(self) -> Mapping[str, float]:
        """Digest to how many seconds it took to compute the prefix; 0 for not measured. From any thread."""


class Holders:
    """All that hold something, as long as they live. Thread-safe."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._guard = threading.Lock()
        self._holders: WeakSet[Holder] = WeakSet()
        self._any = False

    def add(self, holder: Holder) -> None:
        """Ask `holder` from now on."""
        with self._guard:
            self._holders.add(holder)
            self._any = True

    def holdings(self) -> dict[str, float]:
        """Return what all of them hold: digest to seconds."""
        if not self._any:
            return {}
        with self._guard:
            holders = list(self._holders)
        return {digest: seconds for holder in holders for digest, seconds in holder.holdings.items()}


holders: Final = Holders()
"""Those of this process: memory is a process's own, whichever stack runs in it."""
