"""What was used and paid so far, in this process.

Owns: `Spending`.
Must not know: how requests are made.
"""

from __future__ import annotations

import threading
from decimal import Decimal

from holdfast.ai.prices import Cost
from holdfast.ai.usage import NOT_SAID, Usage
from holdfast.ports.operations import NANO


class Spending:
    """Sums over requests. Thread-safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self.requests = 0
        self.unpriced = 0
        """How many of them have no known price."""
        self.recalled = 0
        """How many answers were known before, so that nobody was asked."""
        self.usage = NOT_SAID
        self.cost = Cost(0, 0)

    @property
    def usd(self) -> Decimal:
        """What was paid, in dollars, as far as it is known."""
        return self.cost.usd

    @property
    def saved_usd(self) -> Decimal:
        """What prompt caches saved, premiums for writing to them taken off, in dollars."""
        return Decimal(self.cost.saved) / NANO

    def note_recalled(self) -> None:
        """Add an answer that was known before."""
        with self._guard:
            self.recalled += 1

    def note(self, usage: Usage, cost: Cost | None) -> None:
        """Add a request; `cost` is None where nobody knows it."""
        with self._guard:
            self.requests += 1
            self.usage += usage
            if cost is None:
                self.unpriced += 1
            else:
                self.cost = Cost(self.cost.paid + cost.paid, self.cost.uncached + cost.uncached)
