"""Lines of queued tasks that wait for more than a free slot: for a place at a limit, a share of a rate, their turn.

Owns: which rows with limits are claimable; what attempts took of the rates, and which rates are frozen.
Must not know: claims, outcomes, who serves which pool.

Theory of operation
===================

A row with limits that has become due goes through up to three lines, in this order:

    place P   until one of its limit's places is free; it holds that place from then on
    rate R    until what it takes fits into all of its rates; that much is set apart for it
    pool Q    where rows of one key take turns with rows of others; from here, and from nowhere else, it is claimed

so no row ever has a slot while it waits, and what may be claimed is found as it is for all others: in an index.

Places. A row either has its place or not; a place is free when fewer rows have theirs than there are places. Nothing is
counted but rows. Whatever takes a place from a row - its outcome, another attempt, a pause, a cancellation - gives it
to the first in line in the same transaction. A row whose worker died keeps its place: it runs again.

Rates. What is set apart for a row becomes a *use* when the row is claimed. A use counts for the length of the window
and a slack: within half of it the worker begins, or gives the row back; the other half is for what it sends to arrive.
So whoever receives it never sees more than the rate allows, in any window. The first in line of a rate that does not
fit yet is delayed until it will; the others wait behind it, however small they are, so that a large one gets its turn.

Rules. A limit or a rate may have another figure than tasks say, because somebody set it. It is read where a line moves.

Turns. Rows of one key have rising numbers, and a row of a key that had none begins with the number at the head of the
line. A claim that takes the lowest numbers goes around the keys, however many rows one of them has.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from holdfast.history import Limits
from holdfast.ports.bus import TASKS
from holdfast.ports.operations import FreezeRate, LimitHolder, LimitRecord, SetLimit, slack_seconds
from holdfast.stores.sql import executions
from holdfast.stores.sql.queue_states import DELAYED, KEYED, PLACELESS, RATED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from holdfast.history import RateUse
    from holdfast.ports.operations import QueueTask
    from holdfast.stores.sql.session import Handler, Reader, Session

AHEAD_MAX: Final = 1_000
"""For how many rows that nobody has claimed yet a rate is set apart, at most."""
LOOK_SECONDS: Final = 5.0
"""How long the first in line waits when nothing but claims by others makes it fit: they say so before."""
USES_PER_WINDOW: Final = 128
"""What is taken of a rate within this share of its window is noted as one."""
HOLDERS_MAX: Final = 10_000
"""How many holders are listed, at most."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Limits).decode


class Limited(NamedTuple):
    """A queued task with limits."""

    id: int
    pool: str
    priority: int
    fairness: str
    place: str
    held: int
    line: str
    state: int
    visible_at: float
    limits: bytes


# --- Into the lines ----------------------------------------------------------------------------------------------


def add(session: Session, execution_id: int, item: QueueTask) -> None:
    """Give a row that was just queued its limits, and its place in the first line if it is due."""
    limits = item.limits
    assert limits is not None, "only called for a task with limits"
    values = (execution_id, item.step, _encode(limits), limits.place, limits.fairness)
    ((task_id,),) = session.rows("set_limits", values)
    if item.visible_at <= session.now:
        enter(session, task_id)


def enter(session: Session, task_id: int) -> None:
    """Move a row that is due to where it waits, or make it claimable."""
    row = _read(session, "read_limited_task", task_id)
    if row is None or row.state != DELAYED:
        return  # another one that was due let it through
    if row.line:  # the first in line for a rate: it was time to look again
        _advance(session, row.line)
    elif row.place and not row.held:
        _join(session, row, f"place {row.place}", PLACELESS)
        _grant(session, row.place, joined=row.id)
    else:
        _pass_place(session, row)


def freeze(session: Session, operation: FreezeRate) -> float:
    """Let nobody take anything of a rate for some time; return until when."""
    until = session.now + operation.seconds
    session.run("freeze_rate", (operation.name, until, operation.by))
    frozen: float = session.value("frozen_until", (operation.name,))
    return frozen


def set_limit(session: Session, operation: SetLimit) -> bool:
    """Let a limit or a rate have another figure than tasks say; whoever fits now goes on."""
    if operation.amount is None:
        session.run("drop_limit_rule", (operation.kind, operation.name))
    else:
        session.run("put_limit_rule", (operation.kind, operation.name, operation.amount, operation.by, session.now))
    of_a_name = "rate" if operation.kind == "rate" else "place"
    line = f"{of_a_name} {operation.name}"
    for (each,) in session.rows("lines_named", (line, f"{line}[")):
        if operation.kind == "rate":
            _advance(session, each)
        else:
            _grant(session, each.removeprefix("place "))
    return True


# --- Out of them -------------------------------------------------------------------------------------------------


def free(session: Session, places: Iterable[str]) -> None:
    """Give places that rows no longer have to the next in line."""
    for place in dict.fromkeys(places):
        if place:
            _grant(session, place)


def withdraw(session: Session, execution_id: int, steps: Iterable[str]) -> None:
    """Remove the rows of `steps` that have limits; others go on in their stead."""
    gone: list[Sequence[Any]] = []
    for step in steps:
        gone += session.rows("unqueue_limited_task", (execution_id, step))
    forget(session, gone)


def rows_of(session: Session, execution_id: int) -> list[tuple[Any, ...]]:
    """Return what `forget` has to know of an execution's rows, before they go."""
    return session.rows("limited_tasks_of", (execution_id,))


def forget(session: Session, rows: Sequence[Sequence[Any]]) -> None:
    """Let others have what rows had that are gone, or set aside: (id, place, limits) of each."""
    rates: dict[str, None] = {}
    for task_id, _, limits in rows:
        names = [rate.name for rate in _decode(limits).rates]
        if names:
            session.run("drop_rate_holds", (task_id,))
            rates.update(dict.fromkeys(names))
    free(session, [place for _, place, _ in rows])
    for name in rates:
        _advance(session, f"rate {name}")


def use(session: Session, claimed: Sequence[tuple[int, bytes]]) -> set[int]:
    """Note that rows, given by id and limits, were claimed; return those that must not start, and wait again."""
    refused: set[int] = set()
    rates: dict[str, RateUse] = {}
    taken: dict[tuple[str, float], float] = {}
    for task_id, encoded in claimed:
        limits = _decode(encoded)
        if not limits.rates:
            continue
        session.run("drop_rate_holds", (task_id,))
        rates.update((rate.name, rate) for rate in limits.rates)
        if any(_frozen_until(session, rate.name) > session.now for rate in limits.rates):
            refused.add(task_id)
            session.run("put_back_in_line", (task_id, f"rate {limits.rates[0].name}"))
            continue
        for rate in limits.rates:
            use = (rate.name, _counts_until(session.now, rate.per))
            taken[use] = taken.get(use, 0.0) + rate.units
    for (name, until), units in taken.items():
        session.run("put_rate_use", (name, until, units))
    for name, rate in rates.items():
        session.run("note_rate", (name, rate.amount, rate.per))
        session.run("drop_rate_uses", (name, session.now))
        _advance(session, f"rate {name}")
    return refused


# --- Through them ------------------------------------------------------------------------------------------------


def _grant(session: Session, place: str, *, joined: int | None = None) -> None:
    """Give free places to the first in line; where somebody joined who is not the first, there are none."""
    line = f"place {place}"
    session.row("lock_line", (line,))
    while (row := _read(session, "first_in_line", line)) is not None:
        if joined not in {None, row.id}:
            return
        joined = None
        rule = _rule(session, "concurrency", place)
        slots = _decode(row.limits).slots if rule is None else int(rule)
        if session.value("count_places", (place, slots)) >= slots:
            return
        session.run("hold_place", (row.id,))
        _pass_place(session, row)


def _pass_place(session: Session, row: Limited) -> None:
    rates = _decode(row.limits).rates
    if not rates:
        _make_claimable(session, row)
        return
    line = f"rate {rates[0].name}"
    _join(session, row, line, RATED)
    _advance(session, line, joined=row.id)


def _advance(session: Session, line: str, *, joined: int | None = None) -> None:
    """Let go on who is first in line for a rate and fits; where somebody joined who is not the first, nobody does."""
    session.row("lock_line", (line,))
    while (row := _read(session, "first_in_line", line)) is not None:
        if joined not in {None, row.id}:
            return
        joined = None
        due = _fits_at(session, _decode(row.limits).rates)
        if due > session.now:
            if row.state != DELAYED or not session.now < row.visible_at <= due:
                session.run("recall_scouts", (line,))
                session.run("post_scout", (row.id, due))
                session.rings.add(TASKS)  # whoever sleeps has to know until when
            return
        for rate in _decode(row.limits).rates:
            session.run("put_rate_hold", (rate.name, row.id, rate.units))
        _make_claimable(session, row)


def _make_claimable(session: Session, row: Limited) -> None:
    if row.fairness:
        _join(session, row, f"pool {row.pool}", KEYED)
    else:
        session.run("make_task_ready", (row.id,))
    session.rings.add(TASKS)


def _join(session: Session, row: Limited, line: str, state: int) -> None:
    session.run("stand_in_line", (row.id, line, state))


def _read(session: Session, statement: str, key: int | str) -> Limited | None:
    row = session.row(statement, (key,))
    return None if row is None else Limited(*row)


# --- Rates -------------------------------------------------------------------------------------------------------


def _fits_at(session: Session, rates: Sequence[RateUse]) -> float:
    """Return when all of `rates` have room for one more attempt: now, or a time to come."""
    return max((_one_fits_at(session, rate) for rate in rates), default=session.now)


def _one_fits_at(session: Session, rate: RateUse) -> float:
    now = session.now
    rule = _rule(session, "rate", rate.name)
    amount = rate.amount if rule is None else rule
    frozen = _frozen_until(session, rate.name)
    if frozen > now:
        return frozen
    # In this order: a claim turns what is set apart into a use, and must not be missed on its way.
    ahead, held = session.rows("rate_held", (rate.name,))[0]
    if ahead >= AHEAD_MAX:
        return now + LOOK_SECONDS
    # One that takes more than there ever is has it all.
    too_much = held + min(rate.units, amount) - amount
    if too_much + session.value("rate_used", (rate.name, now)) <= 0.0:
        return now
    used = session.rows("rate_uses_after", (rate.name, now))
    too_much += sum(units for _, units in used)
    for until, units in used:
        too_much -= units
        if too_much <= 0.0:
            return float(until)
    return now + LOOK_SECONDS


def _rule(session: Session, kind: str, name: str) -> float | None:
    """Return what somebody set, whatever tasks say: for just this name, or for each key of it."""
    found: float | None = session.value("limit_rule", (kind, name, name.partition("[")[0]))
    return found


def _frozen_until(session: Session, name: str) -> float:
    return float(session.value("frozen_until", (name,)) or 0.0)


def _counts_until(now: float, per: float) -> float:
    grain = per / USES_PER_WINDOW
    return math.ceil((now + per + slack_seconds(per)) / grain) * grain


# --- Reads -------------------------------------------------------------------------------------------------------


def read_limits(reader: Reader, now: float) -> list[LimitRecord]:
    """Return every limit and rate that is known of, by kind and name."""
    waiting = dict(reader.rows("read_lines"))
    places: dict[str, LimitRecord] = {}
    for place, run_id, number, step, member, limits in reader.rows("read_places", (HOLDERS_MAX,)):
        holder = LimitHolder(f"{executions.name_of(run_id, number)}/{step}", member)
        known = places.get(place)
        places[place] = LimitRecord(
            "concurrency",
            place,
            _decode(limits).slots,
            holders=(holder,) if known is None else (*known.holders, holder),
            waiting=waiting.get(f"place {place}", 0),
        )
    rates = [
        LimitRecord("rate", name, amount, per, used + held, (), waiting.get(f"rate {name}", 0), frozen_until, frozen_by)
        for name, amount, per, frozen_until, frozen_by, used, held in reader.rows("read_rates", (now,))
    ]
    found = [*places.values(), *(_thawed(rate, now) for rate in rates)]
    return list(_with_rules(found, reader.rows("read_limit_rules")))


def _thawed(rate: LimitRecord, now: float) -> LimitRecord:
    if rate.frozen_until is not None and rate.frozen_until > now:
        return rate
    return msgspec.structs.replace(rate, frozen_until=None, frozen_by="")


def _with_rules(records: Iterable[LimitRecord], rules: Sequence[Sequence[Any]]) -> Iterator[LimitRecord]:
    """Yield limits with the figures that somebody set, and those of which nothing else is known."""
    said = {(kind, name): (amount, by) for kind, name, amount, by in rules}
    for record in records:
        rule = said.pop((record.kind, record.name), None) or said.get((record.kind, record.name.partition("[")[0]))
        yield record if rule is None else msgspec.structs.replace(record, limit=rule[0], set_by=rule[1])
    for (kind, name), (amount, by) in said.items():
        yield LimitRecord(kind, name, amount, set_by=by)


HANDLERS: Final[dict[type, Handler]] = {FreezeRate: freeze, SetLimit: set_limit}
