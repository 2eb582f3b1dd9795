"""Queued tasks with a prefix: which of them a member had better take; and prefixes that are warm with a provider.

Owns: that choice; the column `prefixes` of members, the table `warm_prefixes`.
Must not know: prompts, models, how a prefix is kept.

Theory of operation
===================

A task with a prefix is fast where that is held, and costs one computation of it anywhere else. Members say in their
rows what they hold, and how long it took them to compute it. A claim takes, of each priority,

    held      what the claiming member holds itself,
    entitled  what nobody holds and this member is to compute, by a hash of prefix and member; and what has no prefix,
    stolen    what is held by others, or theirs to compute, once it has waited as long as it costs to compute it here.

So a prefix is computed by one member as long as that one keeps up, and by others from when waiting costs more than
computing. Strict obedience would leave all others idle; no obedience has everybody compute everything. A member that is
dead, or does not know the task, keeps nothing from anybody for longer than that. And the oldest comes first now and
then, whoever holds it.

Rows of different prefixes take turns in the line `prefix POOL`, so that its first WINDOW rows are of as many prefixes:
what a claim looks at does not grow with what is queued. What a member holds is found by an index of its own, however
far behind it stands. Nothing is locked by looking. Two claims that choose the same row do not both get it: each goes on
with its next choice.
"""

from __future__ import annotations

import hashlib
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from holdfast.ports.operations import HELD_MAX, HoldPrefixes, NotePrefix, PrefixWarmth, WarmPrefix
from holdfast.stores.sql.turns import Row, take_turns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from holdfast.stores.sql.session import Handler, Reader, Session

WINDOW: Final = 128
"""How many rows of a line a claim looks at, beside those whose prefix its member holds."""
ENTITLED_TIMES: Final = 2
"""How many times as many rows as are wanted are looked for: others may get some of them first."""
SPILL_SECONDS: Final = 5.0
"""How long a row waits for others where nobody has measured what a prefix costs."""
SPILL_SECONDS_MAX: Final = 3_600.0

_MASK: Final = (1 << 64) - 1
_encode_json = msgspec.json.Encoder().encode
_decode_prefixes = msgspec.json.Decoder(dict[str, float]).decode
_decode_pools = msgspec.json.Decoder(tuple[tuple[str, int], ...]).decode


class Waiting(NamedTuple):
    """A row with a prefix that may be claimed."""

    priority: int
    id: int
    turn: int
    prefix: str
    visible_at: float


class Holders:
    """What the living members that serve a pool hold."""

    def __init__(self, held: Mapping[int, Mapping[str, float]]) -> None:
        """Begin with what each member holds: digest to seconds."""
        self.held = held
        measured: dict[str, list[float]] = {}
        for prefixes in held.values():
            for prefix, seconds in prefixes.items():
                measured.setdefault(prefix, []).extend([seconds] if seconds > 0 else [])
        self._costs = {prefix: fmean(found) for prefix, found in measured.items() if found}
        self._usual = fmean(self._costs.values()) if self._costs else SPILL_SECONDS
        self._known = measured.keys()
        self._seeds = {member: _mixed(member) for member in held}
        self._owners: dict[str, int] = {}

    def has(self, prefix: str) -> bool:
        """Say whether anybody holds it."""
        return prefix in self._known

    def owner(self, prefix: str) -> int:
        """Return the member that is to compute what nobody holds: members that come or go change little of it."""
        owner = self._owners.get(prefix)
        if owner is None:
            seed = int.from_bytes(hashlib.blake2b(prefix.encode(), digest_size=8).digest(), "big")
            scores = [(_mixed(seed ^ mixed), member) for member, mixed in self._seeds.items()]
            owner = self._owners[prefix] = max(scores)[1] if scores else 0
        return owner

    def spill_seconds(self, prefix: str) -> float:
        """Return how long to wait for others: what it costs to compute it, or what others of its kind cost."""
        return min(self._costs.get(prefix, self._usual), SPILL_SECONDS_MAX)


def line_of(pool: str) -> str:
    """Return the line in which rows of a pool stand that have a prefix."""
    return f"prefix {pool}"


# --- Claims ------------------------------------------------------------------------------------------------------


def choose(
    session: Session, pool: str, known: str, limit: int, free: Sequence[Row], *, oldest: bool, first: bool
) -> list[int]:
    """Return ids of rows of a pool for the writing member, best first: more than `limit`, if others get some of them.

    Args:
        session: the transaction.
        pool: whose rows.
        known: the tasks that the member knows, as JSON.
        limit: how many it wants.
        free: rows without a prefix, in their order.
        oldest: whether the oldest goes before all others.
        first: whether rows with a prefix take the first turn.
    """
    holders = _holders(session, session.now, pool, session.member)
    mine = holders.held.get(session.member, {})
    line = line_of(pool)
    found = session.rows_of_many("claimable_with_prefix", [(line, prefix, known, limit) for prefix in mine])
    held = {row[1]: Waiting(*row) for row in found}
    waiting = [Waiting(*row) for row in session.rows("claimable_with_prefixes", (line, known, WINDOW))]
    entitled: list[Waiting] = []
    stolen: list[Waiting] = []
    for row in waiting:
        if row.prefix in mine:
            held.setdefault(row.id, row)
        elif not holders.has(row.prefix) and holders.owner(row.prefix) == session.member:
            entitled.append(row)
            if len(entitled) == limit * ENTITLED_TIMES:
                break  # they stand in order: nothing behind them goes before them but what is held, which is known
        elif row.visible_at + holders.spill_seconds(row.prefix) <= session.now:
            stolen.append(row)
    both = take_turns(_plain(entitled), free, len(entitled) + len(free), first=first)
    chosen = sorted([*_plain(held.values()), *both, *_plain(stolen)], key=lambda row: -row[0])
    ids = [task_id for _, task_id in chosen]
    if oldest:
        _, eldest = min((-priority, task_id) for priority, task_id in [*_plain(waiting), *chosen])
        ids = [eldest, *(task_id for task_id in ids if task_id != eldest)]
    return ids


def _plain(rows: Any) -> list[Row]:
    return [row[:2] for row in sorted(rows, key=lambda row: (-row.priority, row.turn, row.id))]


def _mixed(number: int) -> int:
    # The finalizer of SplitMix64 (Steele, Lea, Flood 2014): each bit of the result depends on each bit of the number.
    number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    number = (number ^ number >> 27) * 0x94D049BB133111EB & _MASK
    return number ^ number >> 31


def _holders(reader: Reader, now: float, pool: str = "", member: int = 0) -> Holders:
    """Read what living members hold that serve `pool`, all where it is empty; `member` is taken to."""
    return Holders(
        {
            each: _decode_prefixes(prefixes)
            for each, pools, prefixes in reader.rows("living_holders", (now,))
            if not pool or each == member or any(name == pool for name, _ in _decode_pools(pools))
        }
    )


# --- What members and providers hold -----------------------------------------------------------------------------


def hold(session: Session, operation: HoldPrefixes) -> bool:
    """Write down what the writing member holds."""
    some = dict(list(operation.prefixes.items())[:HELD_MAX])
    session.run("hold_prefixes", (session.member, _encode_json(some).decode()))
    return True


def warm(session: Session, operation: WarmPrefix) -> PrefixWarmth:
    """Say how a prefix is found; of those that find it cold, the first is to warm it."""
    session.run("forget_warm_prefixes", (session.now,))
    until, asker = session.row("find_warm_prefix", (operation.name,)) or (0.0, operation.asker)
    if not asker:
        return PrefixWarmth(until - session.now, mine=False)
    if asker != operation.asker:
        return PrefixWarmth(0.0, mine=False)
    session.run("put_warm_prefix", (operation.name, session.now + operation.seconds, operation.asker))
    return PrefixWarmth(0.0, mine=True)


def note(session: Session, operation: NotePrefix) -> bool:
    """Write down that a prefix is warm, or that the next one is to warm it."""
    mine = session.run("drop_warm_prefix", (operation.name, operation.asker)) > 0
    if operation.seconds > 0:
        session.run("put_warm_prefix", (operation.name, session.now + operation.seconds, ""))
    return mine


# --- Reads -------------------------------------------------------------------------------------------------------


def next_wake(reader: Reader, after: float) -> float | None:
    """Return when the next row may be taken by whoever does not hold its prefix, after `after`."""
    waiting = reader.rows("waiting_with_prefixes", (after - SPILL_SECONDS_MAX, WINDOW))
    if not waiting:
        return None
    holders = _holders(reader, after)
    times = [visible_at + holders.spill_seconds(prefix) for visible_at, prefix in waiting]
    return min((time for time in times if time > after), default=None)


HANDLERS: Final[dict[type, Handler]] = {HoldPrefixes: hold, WarmPrefix: warm, NotePrefix: note}
