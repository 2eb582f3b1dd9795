"""Chunks: items of one fan-out that are claimed, run and given back together.

Owns: the tables `slices` and `chunks`.
Must not know: outcomes, when a fan-out is over, what an item means.

Theory of operation
===================

The items of a fan-out are cut into slices once, and are written once. Each slice starts as one chunk. A chunk says
which of its slice's items are still its own by a bitmap: recording an outcome clears a bit, moving items to be tried
again sets their bits in a new chunk of the same slice. So every item that has no outcome is in exactly one chunk, and
every chunk knows which slice its outcomes belong to.

A bitmap is an int here and little-endian bytes in its row.

A chunk that keeps losing its members is set aside, and its run is parked: no claim sees it before the run goes on. So
are the chunks of a run that is paused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from holdfast.errors import FencedError
from holdfast.ports.bus import TASKS
from holdfast.ports.operations import PAUSED, ChunkRecord, ClaimChunks, ClaimedChunk, QueueFanOut
from holdfast.stores.sql import executions, pools

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from holdfast.stores.sql.session import Reader, Session

SLICE_BYTES_MAX: Final = 1 << 20
"""A slice ends with the item that brings it to this many bytes, also when that makes it shorter than asked for."""
PROMOTED_MAX: Final = 1_000
"""How many delayed chunks one claim makes ready at most; the next claim goes on."""

DELAYED, READY, ASIDE = 0, 1, 3
"""What `state` says of a chunk nobody has claimed."""

_encode = msgspec.msgpack.Encoder().encode
_decode_items = msgspec.msgpack.Decoder(list[bytes]).decode
_encode_json = msgspec.json.Encoder().encode


class HeldChunk(msgspec.Struct, gc=False):
    """A chunk in the hands of the writing member."""

    chunk_id: int
    fan_out_id: int
    first: int
    """Index of the slice's first item."""
    pending: int
    """Bit i: the item with index `first` + i has no outcome and is this chunk's."""
    task: str
    pool: str
    priority: int
    attempt: int
    queued_at: float

    def take(self, index: int) -> bool:
        """Say whether the item at `index` is this chunk's, and make it not so any longer."""
        place = index - self.first
        # Not `1 << place` before the size is known: an index may be anything.
        if not 0 <= place < self.pending.bit_length() or not self.pending >> place & 1:
            return False
        self.pending ^= 1 << place
        return True


def cut(session: Session, fan_out_id: int, item: QueueFanOut) -> None:
    """Write a fan-out's items as slices, each of them one claimable chunk."""
    slices = list(_slices(item.items, item.chunk_items))
    session.run_many("add_slice", [(fan_out_id, first, _encode(items)) for first, items in slices])
    session.run_many(
        "add_chunk",
        [
            (
                fan_out_id,
                first,
                _bitmap((1 << len(items)) - 1),
                item.task,
                item.pool,
                item.priority,
                1,
                session.now,
                session.now,
                READY,
            )
            for first, items in slices
        ],
    )
    if slices:
        session.rings.add(TASKS)


def claim(session: Session, operation: ClaimChunks) -> tuple[ClaimedChunk, ...]:
    """Claim ready chunks for the writing member: pool by pool, highest priority first, then oldest first."""
    member = session.member
    session.run("promote_chunks", (session.now, max(PROMOTED_MAX, sum(limit for _, limit in operation.pools))))
    known = _encode_json(operation.tasks).decode()
    claimed: list[ClaimedChunk] = []
    for pool, limit, is_limited in pools.open_for_claims(session, operation.pools):
        # The token is only taken when there is a claim to bear it: looking in vain writes nothing.
        token = session.offer_token()
        rows = session.rows("claim_chunks", (member, token, pool, known, limit))
        if rows:
            session.keep_token(token)
        # RETURNING gives rows in no particular order.
        rows.sort(key=lambda row: (-row[1], row[0]))
        claimed.extend(_claimed(session, chunk_id, one_by_one=is_limited) for chunk_id, _ in rows)
    return tuple(claimed)


def find_held(session: Session, chunk_id: int, token: int) -> HeldChunk | None:
    """Return a chunk that the writing member claimed with `token`, None when no such chunk is wanted any longer.

    Raises:
        FencedError: the chunk is somebody else's now.
    """
    row = session.row("held_chunk", (chunk_id,))
    if row is None:
        return None
    owner, newest, fan_out_id, first, pending, *rest = row
    if owner != session.member or newest != token:
        raise FencedError(f"outcomes of chunk {chunk_id}")
    return HeldChunk(chunk_id, fan_out_id, first, int.from_bytes(pending, "little"), *rest)


def keep(session: Session, chunk: HeldChunk, *, done: bool) -> None:
    """Write back a chunk some of whose items were taken: it goes with its last one.

    With `done` what is left of it is claimable at once, at the same attempt.
    """
    if not chunk.pending:
        session.run("drop_chunk", (chunk.chunk_id,))
        if pools.is_limited(session, chunk.pool):
            session.rings.add(TASKS)
    elif done:
        session.run("give_back_chunk", (chunk.chunk_id, _bitmap(chunk.pending), _unless_paused(session, chunk, READY)))
        session.rings.add(TASKS)
    else:
        session.run("keep_pending", (chunk.chunk_id, _bitmap(chunk.pending)))


def add_retry(
    session: Session, chunk: HeldChunk, indexes: Iterable[int], retry_at: float, *, tried: bool = True
) -> None:
    """Put items taken from `chunk` into a new one, claimable at `retry_at`; at the same attempt unless `tried`."""
    pending = 0
    for index in indexes:
        pending |= 1 << (index - chunk.first)
    if not pending:
        return
    ready = retry_at <= session.now
    session.run(
        "add_chunk",
        (
            chunk.fan_out_id,
            chunk.first,
            _bitmap(pending),
            chunk.task,
            chunk.pool,
            chunk.priority,
            chunk.attempt + tried,
            chunk.queued_at,
            session.now if ready else retry_at,
            _unless_paused(session, chunk, READY if ready else DELAYED),
        ),
    )
    session.rings.add(TASKS)


def _unless_paused(session: Session, chunk: HeldChunk, state: int) -> int:
    return ASIDE if session.row("fan_out_status", (chunk.fan_out_id,)) == (PAUSED,) else state


def drop(session: Session, fan_out_id: int) -> None:
    """Remove a fan-out's chunks, claimed or not, and its inputs."""
    session.run("drop_chunks", (fan_out_id,))
    session.run("drop_slices", (fan_out_id,))


def free_member(session: Session, member: int, recoveries_max: int | None) -> int:
    """Make a member's chunks claimable again; return how many there were.

    Args:
        session: the transaction.
        member: number of the member that left or died.
        recoveries_max: how often a chunk may lose its member. One that did so more often is taken for poison: it is set
            aside and its run is parked. None is a member that left in good order, which is held against nobody.
    """
    set_aside = 0
    if recoveries_max is not None:
        for execution_id, step, task, deaths in session.rows("set_aside_poisonous_chunks", (member, recoveries_max)):
            set_aside += 1
            executions.park(
                session, execution_id, f"{deaths} workers died or froze while they ran {task} for items of {step}"
            )
    freed = session.run("free_chunks", (member, int(recoveries_max is not None)))
    if freed:
        session.rings.add(TASKS)
    return freed + set_aside


def set_aside(session: Session, execution_id: int) -> None:
    """Keep an execution's chunks that nobody has claimed from being claimed."""
    session.run("set_aside_chunks", (execution_id,))


def resume(session: Session, execution_id: int, *, forgive: bool) -> None:
    """Make the chunks that were set aside with an execution claimable; with `forgive` they never lost a member."""
    if session.run("resume_chunks", (execution_id, session.now, forgive)):
        session.rings.add(TASKS)


def read_chunks(reader: Reader, fan_out_id: int) -> list[ChunkRecord]:
    """Return the chunks of a fan-out that are not done yet, oldest first."""
    return [
        ChunkRecord(chunk_id, int.from_bytes(pending, "little").bit_count(), attempt, recoveries, owner)
        for chunk_id, pending, attempt, recoveries, owner in reader.rows("read_chunks", (fan_out_id,))
    ]


def _claimed(session: Session, chunk_id: int, *, one_by_one: bool) -> ClaimedChunk:
    *named, first, pending, items = session.rows("claimed_chunk", (chunk_id,))[0]
    chunk_id, fan_out_id, execution_id, run_id, number, step, task, pool, options, attempt, token, *rest = named
    recoveries, traceparent = rest
    inputs = _decode_items(items)
    return ClaimedChunk(
        chunk_id=chunk_id,
        fan_out_id=fan_out_id,
        execution_id=execution_id,
        run_id=run_id,
        execution=executions.name_of(run_id, number),
        step=step,
        task=task,
        pool=pool,
        options=options,
        attempt=attempt,
        items=tuple((first + place, inputs[place]) for place in _places(int.from_bytes(pending, "little"))),
        token=token,
        recoveries=recoveries,
        traceparent=traceparent,
        one_by_one=one_by_one,
    )


def _slices(items: Sequence[bytes], items_max: int) -> Iterator[tuple[int, Sequence[bytes]]]:
    first, slice_bytes = 0, 0
    for index, item in enumerate(items):
        if index > first and (index - first >= items_max or slice_bytes >= SLICE_BYTES_MAX):
            yield first, items[first:index]
            first, slice_bytes = index, 0
        slice_bytes += len(item)
    if items:
        yield first, items[first:]


def _bitmap(pending: int) -> bytes:
    return pending.to_bytes((pending.bit_length() + 7) // 8, "little")


def _places(pending: int) -> Iterator[int]:
    for place, bit in enumerate(reversed(f"{pending:b}")):
        if bit == "1":
            yield place
