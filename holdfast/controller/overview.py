"""How everything is, at a glance, and how it went lately.

Owns: which numbers that takes, and remembering them for a day.
Must not know: HTTP, how numbers are drawn.

How much was done in a minute is the difference between two looks at how much was ever done. The looks are remembered
here and nowhere else, so what is told of the last hour begins with this process: it says since when. A thousand looks
are kept, whatever happens.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from holdfast.controller.documents import Overview, Stretch
from holdfast.controller.times import iso_time
from holdfast.observe import Publisher
from holdfast.ports.clock import Clock
from holdfast.ports.operations import FAILED, TERMINAL, TIMED_OUT, Totals

LOOK_SECONDS: Final = 15.0
"""How far apart looks are that are remembered for an hour."""
COARSE_SECONDS: Final = 900.0
"""How far apart those are that are remembered for a day."""
FINE_LOOKS: Final = 260
COARSE_LOOKS: Final = 110


@dataclass(frozen=True, slots=True)
class Look:
    """How much was ever done, at one time."""

    at: float
    begun: int
    ended: int
    failed: int


class Glance:
    """The numbers of the first page."""

    def __init__(self, publisher: Publisher, clock: Clock) -> None:
        """Ask `publisher` how the fleet is, and `clock` for the time."""
        self._publisher = publisher
        self._clock = clock
        self._fine: deque[Look] = deque(maxlen=FINE_LOOKS)
        self._coarse: deque[Look] = deque(maxlen=COARSE_LOOKS)

    async def overview(self) -> Overview:
        """Return how many runs there are of each status, and how much waits. Raises StoreError."""
        fleet = await self._publisher.fleet()
        now = self._clock.now()
        self._remember(now, fleet.totals)
        oldest = max((each.oldest_seconds for each in fleet.pools), default=0.0)
        return Overview(
            runs=dict(fleet.totals.runs),
            ready=fleet.totals.ready,
            backlog=sum(each.backlog for each in fleet.pools),
            in_flight=sum(each.in_flight for each in fleet.pools),
            oldest_seconds=max(oldest, fleet.totals.late_seconds),
            refused=fleet.totals.refused_writes,
            members=sum(1 for each in fleet.members if each.expires_at > now),
            since=iso_time(self._coarse[0].at),
        )

    def lately(self, seconds: int, count: int) -> list[Stretch]:
        """Return how much was done in each of the last `count` stretches of `seconds`, the oldest first."""
        looks = list(self._fine if seconds < COARSE_SECONDS else self._coarse)
        if looks and self._fine[-1].at > looks[-1].at:
            looks.append(self._fine[-1])
        last = int(self._clock.now() // seconds)
        sums = {number: [0, 0, 0] for number in range(last - count + 1, last + 1)}
        for before, after in pairwise(looks):
            done = sums.get(int(after.at // seconds))
            if done is not None:
                # Less than before: runs were deleted meanwhile.
                done[0] += max(after.begun - before.begun, 0)
                done[1] += max(after.ended - before.ended, 0)
                done[2] += max(after.failed - before.failed, 0)
        return [
            Stretch(start=iso_time(number * seconds), seconds=seconds, begun=begun, ended=ended, failed=failed)
            for number, (begun, ended, failed) in sums.items()
        ]

    def _remember(self, now: float, totals: Totals) -> None:
        runs = totals.runs
        ended = sum(count for status, count in runs.items() if status in TERMINAL)
        look = Look(now, sum(runs.values()), ended, runs.get(FAILED, 0) + runs.get(TIMED_OUT, 0))
        if not self._fine or now - self._fine[-1].at >= LOOK_SECONDS:
            self._fine.append(look)
        if not self._coarse or now - self._coarse[-1].at >= COARSE_SECONDS:
            self._coarse.append(look)
