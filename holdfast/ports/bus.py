"""The doorbell.

Owns: the shape of a bus, and the names of its topics.
Must not know: what is behind a door.

A ring says "look again", nothing else. A lost ring costs latency, never
correctness: everybody who listens also looks on their own, slowly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Protocol, TypeAlias

RUNS: Final = "runs"
"""A run is ready to be claimed, or was taken from its owner."""
MAIL: Final = "mail"
"""A run that is owned has mail: its owner looks for that alone, and nobody looks for runs to claim."""
TASKS: Final = "tasks"
"""A task or a chunk is ready to be claimed from some pool."""
REQUESTS: Final = "requests"
"""A query or an update waits for an answer, or has one."""
CLOSED: Final = "closed"
"""A run ended."""
POOLS: Final = "pools"
"""A pool was paused, resumed or limited."""
LOCKS: Final = "locks"
"""Somebody who is no workflow has been granted a lock."""
SCHEDULES: Final = "schedules"
"""A schedule was changed."""
GATHERINGS: Final = "gatherings"
"""Events begin to gather, or are enough."""
HOSTS: Final = "hosts"
"""Something was learned of a host that tasks call."""

CONTRACTS: Final = "contracts"
"""Something was learned of what answers are like."""

TOPICS: Final = frozenset({RUNS, MAIL, TASKS, REQUESTS, CLOSED, POOLS, LOCKS, SCHEDULES, GATHERINGS, HOSTS, CONTRACTS})
"""All of them: what is rung when nobody knows what was missed."""

Listener: TypeAlias = Callable[[frozenset[str]], None]


class Bus(Protocol):
    """Rings everybody who listens to the same store, this process included."""

    @property
    def reaches(self) -> bool:
        """Whether rings of others arrive, as far as can be known. Who looks beneath may take more time about it."""

    def ring(self, topics: Iterable[str]) -> None:
        """Ring `topics`, soon and at most once each. Never blocks, never raises."""

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with the topics rung, on the event loop; return what stops it."""

    async def open(self) -> None:
        """Start listening.

        Others need not be in reach: then they are rung as soon as they are, and everybody looks on their own meanwhile.

        Raises:
            SettingsError: what is named as the way to them is none, and waiting does not change that.
        """

    async def close(self) -> None:
        """Stop, and leave nothing behind."""
