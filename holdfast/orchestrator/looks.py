"""When to look at the store, and for what.

Owns: the reasons that have come up since the last look, and the poll that needs none.
Must not know: what a look finds.

Rings of the bus and a slow, jittered poll both lead to the same look: a ring that is lost costs time and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from holdfast.ports.bus import MAIL, POOLS, REQUESTS, RUNS


class Looks:
    """Collects reasons to look at the store."""

    def __init__(self, poll_seconds: float, jitter: Callable[[], float]) -> None:
        """Look about every `poll_seconds` although there is no reason; `jitter` is uniform in [0, 1)."""
        self._poll_seconds = poll_seconds
        self._jitter = jitter
        self._wanted = asyncio.Event()
        self._runs_wanted = False
        self._mail_wanted = False
        self._requests_wanted = False
        self._pools_wanted = False

    def want(self) -> None:
        """Wake up who looks, for something that every look sees to."""
        self._wanted.set()

    def want_runs(self) -> None:
        """Look for runs to claim, and for mail, soon: something was put there."""
        self._runs_wanted = True
        self.want_mail()

    def want_mail(self) -> None:
        """Look for mail to the executions in memory soon."""
        self._mail_wanted = True
        self._wanted.set()

    def want_requests(self) -> None:
        """Look for questions soon."""
        self._requests_wanted = True
        self._wanted.set()

    def want_pools(self) -> None:
        """Look soon which pools are paused or limited."""
        self._pools_wanted = True
        self._wanted.set()

    def rung(self, topics: frozenset[str]) -> None:
        """Want what the bus has rung for."""
        if RUNS in topics:
            self.want_runs()
        if MAIL in topics:
            self.want_mail()
        if REQUESTS in topics:
            self.want_requests()
        if POOLS in topics:
            self.want_pools()

    async def next(self) -> bool:
        """Wait for the next reason to look, or for the poll; say whether it is the poll, which looks for everything."""
        timeout = self._poll_seconds * (0.75 + 0.5 * self._jitter())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._wanted.wait()
        polled = not self._wanted.is_set()
        self._wanted.clear()
        return polled

    def take_runs(self) -> bool:
        """Say whether runs to claim are wanted, which they are no longer: they are looked for now."""
        wanted, self._runs_wanted = self._runs_wanted, False
        return wanted

    def take_mail(self) -> bool:
        """Say whether mail is wanted, which it is no longer: it is looked for now."""
        wanted, self._mail_wanted = self._mail_wanted, False
        return wanted

    def take_requests(self) -> bool:
        """Say whether questions are wanted, which they are no longer: they are looked for now."""
        wanted, self._requests_wanted = self._requests_wanted, False
        return wanted

    def take_pools(self) -> bool:
        """Say whether it is wanted to know which pools are paused or limited, which it is no longer."""
        wanted, self._pools_wanted = self._pools_wanted, False
        return wanted
