"""The slots of a pool, and what to claim for those that are free.

Owns: how many slots are busy, which chunks wait for some, whether there may be more to claim.
Must not know: how claims are written, how attempts run.

A queued task takes one slot of its pool; a chunk takes one slot for each of its items that is waiting for something.
Items at hand and tasks in the queue share what is free, so that neither a long fan-out nor a long queue keeps the other
from moving.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final, TypeAlias

from holdfast.ports.operations import ClaimChunks, ClaimTasks
from holdfast.worker.chunk import ChunkRun

CHUNKS_AHEAD: Final = 4
"""How many chunks are claimed at once when the last one took less than QUICK_SECONDS."""
QUICK_SECONDS: Final = 0.1

Claim: TypeAlias = ClaimTasks | ClaimChunks


class Pool:
    """The slots of one pool."""

    def __init__(self, name: str, slots: int) -> None:
        """Have `slots` slots, all free."""
        self.name = name
        self.slots = slots
        self.busy = 0
        self.chunks: deque[ChunkRun] = deque()
        """Chunks with items that wait for a slot."""
        self.more_tasks = True
        """Whether the queue may hold tasks of this pool."""
        self.more_chunks = True
        """Whether there may be unclaimed chunks of this pool."""
        self._ahead = 1

    @property
    def free(self) -> int:
        """How many slots are free."""
        return max(0, self.slots - self.busy)

    def look_again(self) -> None:
        """Note that there may be work."""
        self.more_tasks = self.more_chunks = True

    def note_duration(self, seconds: float) -> None:
        """Note how long a chunk took: several short ones are claimed at once, long ones are left for others."""
        self._ahead = CHUNKS_AHEAD if seconds < QUICK_SECONDS else 1

    def next_chunk(self) -> ChunkRun | None:
        """Return a chunk with an item that can start now, None when there is no such item or no slot."""
        while self.chunks and self.busy < self.slots:
            if not self.chunks[0].unstarted:
                self.chunks.popleft()
            elif self.chunks[0].is_blocked:
                return next((chunk for chunk in self.chunks if chunk.unstarted and not chunk.is_blocked), None)
            else:
                return self.chunks[0]
        return None

    def share(self, turn: int) -> tuple[int, int]:
        """Return how many tasks and how many chunks to claim now. `turn` alternates who gets an odd slot."""
        free = self.free
        if not any(chunk.unstarted and not chunk.is_blocked for chunk in self.chunks):
            return free if self.more_tasks else 0, min(self._ahead, free) if self.more_chunks else 0
        return (free + turn % 2) // 2 if self.more_tasks else 0, 0


def decide_claims(
    pools: Iterable[Pool], known: tuple[str, ...], turn: int, starts_within: float = 0.0, *, oldest: bool = False
) -> list[Claim]:
    """Return what to claim for all pools at once.

    Args:
        pools: those that are served.
        known: the tasks whose code is here.
        turn: alternates who gets an odd slot.
        starts_within: as in ClaimTasks.
        oldest: as in ClaimTasks.
    """
    shares = [(pool.name, *pool.share(turn)) for pool in pools]
    tasks = tuple((name, count) for name, count, _ in shares if count)
    chunks = tuple((name, count) for name, _, count in shares if count)
    claims: list[Claim] = []
    if tasks:
        claims.append(ClaimTasks(tasks, known, starts_within, oldest))
    if chunks:
        claims.append(ClaimChunks(chunks, known))
    return claims


def note_more(pools: dict[str, Pool], claims: Iterable[Claim], *, more: bool) -> None:
    """Note whether there may be more of what `claims` asked for."""
    for claim in claims:
        for name, _ in claim.pools:
            if isinstance(claim, ClaimTasks):
                pools[name].more_tasks = more
            else:
                pools[name].more_chunks = more
