"""What this process holds of prefixes of prompts, so that tasks with the same prefix can be sent to it.

Owns: which holders there are.
Must not know: models, who is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol
from weakref import ref


class Holder(Protocol):
    """Keeps prefixes in the memory of this process, or of one that belongs to it."""

    @property
    def holdings(self) -> Mapping[str, float]:
        """Digest to how many seconds it took to compute the prefix; 0 for not measured. From any thread."""


class Holders:
    """All that hold something, as long as they live. From any thread: each step is one operation of a list."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._holders: list[ref[Holder]] = []

    def add(self, holder: Holder) -> None:
        """Ask `holder` from now on."""
        self._holders.append(ref(holder, self._holders.remove))

    def holdings(self) -> dict[str, float]:
        """Return what all of them hold: digest to seconds."""
        if not self._holders:
            return {}
        living = [holder for each in self._holders.copy() if (holder := each()) is not None]
        return {digest: seconds for holder in living for digest, seconds in holder.holdings.items()}


holders: Final = Holders()
"""Those of this process: memory is a process's own, whichever stack runs in it."""
