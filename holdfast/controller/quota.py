"""How many requests somebody may make, and how many they have left.

Owns: what a rate is, how it is written, and the count of each caller.
Must not know: HTTP, what is asked.

Each caller has a bucket that holds as many requests as the rate allows in its window, and fills evenly. So whoever was
quiet may send a whole window's worth at once, and nobody sends more than twice that in any window. Counts are in the
memory of one process: behind several controllers each of them allows the rate.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from holdfast.errors import SettingsError

REQUESTS_MAX: Final = 1_000_000_000
"""The largest number of requests a rate may name."""
CALLERS_MAX: Final = 10_000
"""Of how many callers the counts are kept; those whose bucket is full need none."""

WINDOWS: Final = {"s": 1, "m": 60, "h": 3600}
"""Seconds of each window a rate can be written for."""

_RATE: Final = re.compile(r"(?P<requests>[1-9][0-9]{0,9})/(?P<window>[smh])")


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests in so many seconds."""

    requests: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Quota:
    """What a caller has left after a request was counted."""

    rate: Rate
    remaining: int
    full_seconds: int
    """When the whole of it is there again, if nothing more is asked."""
    wait_seconds: int
    """When to come back; 0 when the request may be served."""


def parse_rate(text: str) -> Rate | None:
    """Read a rate such as `100/s`, `600/m` or `10000/h`; an empty one is no limit, None.

    Raises:
        SettingsError: it is no rate.
    """
    if not text:
        return None
    found = _RATE.fullmatch(text)
    if found is None or int(found["requests"]) > REQUESTS_MAX:
        raise SettingsError(f"{text!r} is no rate", "Write how many a second, minute or hour: 100/s, 600/m, 10000/h")
    return Rate(int(found["requests"]), WINDOWS[found["window"]])


class Quotas:
    """Counts requests by caller."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Count by `clock`: seconds that never go back."""
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}
        """Caller to (requests that are left, when that was)."""

    def take(self, caller: str, rate: Rate) -> Quota:
        """Count a request of `caller`, if it may be served, and return what is left."""
        now = self._clock()
        per_second = rate.requests / rate.seconds
        left, then = self._buckets.get(caller, (float(rate.requests), now))
        left = min(float(rate.requests), left + max(0.0, now - then) * per_second)
        wait_seconds = 0
        if left >= 1.0:
            left -= 1.0
        else:
            wait_seconds = max(1, math.ceil((1.0 - left) / per_second))
        if caller not in self._buckets and len(self._buckets) >= CALLERS_MAX:
            self._buckets.pop(next(iter(self._buckets)))
        self._buckets[caller] = left, now
        full_seconds = math.ceil((rate.requests - left) / per_second)
        return Quota(rate, int(left), full_seconds, wait_seconds)
