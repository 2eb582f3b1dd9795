"""Rates: what attempts took of them, what is set apart for those that are about to begin, which are frozen.

Owns: the tables `rates`, `rate_uses` and `rate_holds`.
Must not know: who waits for a rate, and in which order.

What is set apart for a row becomes a *use* when the row is claimed, in one transaction: whoever asks what is left sees
it as one or the other. A use counts for the length of the window and a slack: within half of it the worker begins, or
gives the row back, unless it said that it needs longer; the other half is for what it sends to arrive. So whoever
receives it never sees more than the rate allows, in any window. The time of a use is read when it is written, and the
worker is told how long that was after it asked: a claim that had to wait for others costs the worker none of its half.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from holdfast.ports.operations import FreezeRate, slack_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from holdfast.history import RateUse
    from holdfast.stores.sql.session import Handler, Session

AHEAD_MAX: Final = 1_000
"""For how many rows that nobody has claimed yet a rate is set apart, at most."""
LOOK_SECONDS: Final = 5.0
"""How long the first in line waits when it is claims by others that make it fit: they say so before."""
USES_PER_WINDOW: Final = 128
"""What is taken of a rate within this share of its window is noted as one."""


class Room(NamedTuple):
    """What is known of a rate."""

    name: str
    rule: float | None
    """What somebody set, whatever tasks say."""
    amount: float | None
    per: float | None
    """As it was last asked for; None for one that never was."""
    frozen_until: float
    ahead: int
    """For how many rows something is set apart."""
    held: float
    """How much."""
    used: float


class Rooms:
    """How much room there is in rates, while rows are let through one after the other."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[str, Room] = {}
        self._holds: list[tuple[str, int, float]] = []

    def learn(self, names: Iterable[str]) -> None:
        """Ask about rates that are not known yet."""
        new = sorted(set(names) - self._known.keys())
        self._known.update((room.name, room) for room in weigh(self._session, new))

    def fits_at(self, uses: Sequence[RateUse]) -> float:
        """Return when all of `uses` have room: now, or a time to come."""
        return max((self._one_fits_at(use) for use in uses), default=self._session.now)

    def set_apart(self, task_id: int, uses: Sequence[RateUse]) -> None:
        """Set apart what a row takes."""
        for use in uses:
            room = self._known[use.name]
            self._known[use.name] = room._replace(ahead=room.ahead + 1, held=room.held + use.units)
            self._holds.append((use.name, task_id, use.units))

    def save(self) -> None:
        """Write down what was set apart."""
        holds, self._holds = self._holds, []
        if holds:
            self._session.run_many("put_rate_hold", holds)

    def _one_fits_at(self, use: RateUse) -> float:
        now, room = self._session.now, self._known[use.name]
        amount = use.amount if room.rule is None else room.rule
        if room.frozen_until > now:
            return room.frozen_until
        if room.ahead >= AHEAD_MAX:
            return now + LOOK_SECONDS
        # One that takes more than there ever is has it all.
        too_much = room.held + min(use.units, amount) - amount
        if too_much + room.used <= 0.0:
            return now
        used = self._session.rows("rate_uses_after", (use.name, now))
        too_much += sum(units for _, units in used)
        for until, units in used:
            too_much -= units
            if too_much <= 0.0:
                return float(until)
        return _counts_until(now, use.per)  # no sooner: what is set apart counts from its claim


def weigh(session: Session, names: Iterable[str]) -> list[Room]:
    """Return what is known of rates."""
    asked = [(name, name.partition("[")[0], session.now) for name in names]
    return [Room(*row) for row in session.rows_of_many("weigh_rates", asked)]


def take(
    session: Session, attempts: Sequence[tuple[int, Sequence[RateUse]]], starts_within: float
) -> tuple[set[int], set[str]]:
    """Turn what was set apart for rows that were claimed into uses.

    Returns those that must not start, as a rate of theirs is frozen; and the rates that have more room now than who
    waits for them was told.
    """
    session.run_many("drop_rate_hold", [(task_id,) for task_id, _ in attempts])
    asked = {use.name: use for _, uses in attempts for use in uses}
    rooms = {room.name: room for room in weigh(session, sorted(asked))}
    refused: set[int] = set()
    roomier = {name for name, room in rooms.items() if room.ahead + len(attempts) >= AHEAD_MAX}
    session.read_time()  # as late as can be: the worker has only so long from here
    taken: dict[tuple[str, float], float] = {}
    for task_id, uses in attempts:
        if any(rooms[use.name].frozen_until > session.now for use in uses):
            refused.add(task_id)
            roomier.update(use.name for use in uses)
            continue
        for use in uses:
            key = (use.name, _counts_until(session.now, use.per, starts_within))
            taken[key] = taken.get(key, 0.0) + use.units
    # In their order: two claims that take of the same rates wait for one another, and not in a circle.
    session.run_many("put_rate_use", [(*key, units) for key, units in sorted(taken.items())])
    noted = [
        (name, use.amount, use.per)
        for name, use in sorted(asked.items())
        if (rooms[name].amount, rooms[name].per) != (use.amount, use.per)
    ]
    if noted:
        session.run_many("note_rate", noted)
    return refused, roomier


def drop_old(session: Session, names: Sequence[str]) -> None:
    """Forget uses of rates that count no longer."""
    session.run_many("drop_rate_uses", [(name, session.now) for name in names])


def freeze(session: Session, operation: FreezeRate) -> float:
    """Let nobody take anything of a rate for some time; return until when."""
    until = session.now + operation.seconds
    session.run("freeze_rate", (operation.name, until, operation.by))
    return float(session.value("frozen_until", (operation.name,)))


def _counts_until(now: float, per: float, starts_within: float = 0.0) -> float:
    grain, half = per / USES_PER_WINDOW, slack_seconds(per) / 2
    return math.ceil((now + per + max(half, starts_within) + half) / grain) * grain


HANDLERS: Final[dict[type, Handler]] = {FreezeRate: freeze}
