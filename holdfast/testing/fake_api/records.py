"""What a fake API remembers.

Owns: requests, effects by idempotency key, and a limit that is kept.
Must not know: connections, acts.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Request:
    """A request that came in whole."""

    method: str
    path: str
    """Without the query."""
    query: str
    headers: Mapping[str, str]
    """By name, in lower case."""
    body: bytes
    at: float
    """Seconds of the system's monotonic clock."""
    key: str | None
    """Its Idempotency-Key."""
    connection: int
    """Rises with each connection: requests with the same number came through the same one."""
    let_in: bool = True
    """Whether a limit had room for it."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a request did."""

    key: str
    """The idempotency key; one that is made up where the request had none."""
    method: str
    path: str
    value: Any
    """What the request's body says, as JSON values."""
    answer: Any
    """What is answered to everybody who comes with the key."""


class Limit:
    """So many requests within so many seconds, as a sliding window: more are answered 429."""

    def __init__(
        self, amount: int, per_seconds: float, announce: Literal["draft", "x", "retry-after", "nothing"] = "draft"
    ) -> None:
        """Say how many, and by which headers it is announced."""
        self.amount = amount
        self.per_seconds = per_seconds
        self.announce = announce
        self._taken: deque[float] = deque()

    def take(self, now: float) -> bool:
        """Let a request in, if there is room for one."""
        while self._taken and self._taken[0] <= now - self.per_seconds:
            self._taken.popleft()
        if len(self._taken) >= self.amount:
            return False
        self._taken.append(now)
        return True

    def headers(self, now: float) -> dict[str, str]:
        """Return what is said of the limit."""
        left = self.amount - len(self._taken)
        reset = max(0.0, self._taken[0] + self.per_seconds - now) if self._taken else 0.0
        whole = str(math.ceil(reset))
        match self.announce:
            case "draft":
                return {
                    "RateLimit-Policy": f'"burst";q={self.amount};w={math.ceil(self.per_seconds)}',
                    "RateLimit": f'"burst";r={left};t={whole}',
                    **({"Retry-After": whole} if not left else {}),
                }
            case "x":
                return {
                    "X-RateLimit-Limit": f"{self.amount}, {self.amount};w={math.ceil(self.per_seconds)}",
                    "X-RateLimit-Remaining": str(left),
                    "X-RateLimit-Reset": whole,
                }
            case "retry-after":
                return {"Retry-After": whole} if not left else {}
            case _:
                return {}


def busiest(times: Iterable[float], seconds: float) -> int:
    """Return how many of `times` there are within the busiest window of `seconds`."""
    window: deque[float] = deque()
    most = 0
    for time in sorted(times):
        window.append(time)
        while window[0] <= time - seconds:
            window.popleft()
        most = max(most, len(window))
    return most
