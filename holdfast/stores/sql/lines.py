"""Lines of queued tasks that wait for more than a free slot: for a place at a limit, a share of a rate, their turn.

Owns: which rows with limits are claimable.
Must not know: claims, outcomes, who serves which pool; how a rate is reckoned.

Theory of operation
===================

A row with limits that has become due goes through up to three lines, in this order:

    place P   until one of its limit's places is free; it holds that place from then on
    rate R    until what it takes fits into all of its rates; that much is set apart for it
    pool Q    where rows of one key take turns with rows of others; from here, and from nowhere else, it is claimed
    prefix Q  instead of that, where rows have a prefix: see `prefixes`

so no row ever has a slot while it waits, and what may be claimed is found as it is for all others: in an index.

Who moves them. Claims do, and nobody else: before it takes anything, a claim moves what has become due into its lines,
and lets through whoever fits, there and in the lines that were *touched*. Whatever gives something back that others may
wait for - an outcome, another attempt, a pause, a cancellation, a rule - only touches the line, and writes that down in
its own transaction, so that it is not lost. So whoever queues or finishes waits for nobody, and a claim does at once
what is to be done for many rows. It is soon enough: nothing but a claim would take what moves.

Beside others. A claim locks the lines that it moves, in the order of their names, places before rates, until its end;
it reads again what is due once it has them. A row that waits, or is due, is changed by nobody else but those that write
alone. So of what many see together - a scout's time has come - one does it, and the others look again and go on.

Places. A row either has its place or not; a place is free when fewer rows have theirs than there are places. Nothing is
counted but rows. A row whose worker died keeps its place: it runs again.

Rates. See `rates`. The first in line of a rate that does not fit yet is delayed until it will, a *scout*; the others
wait behind it, however small they are, so that a large one gets its turn.

Rules. A limit or a rate may have another figure than tasks say, because somebody set it. It is read where a line moves.

Turns. Rows of one key have rising numbers, and a row of a key that had none begins with the number at the head of the
line. A claim that takes the lowest numbers goes around the keys, however many rows one of them has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from holdfast.history import Limits
from holdfast.ports.bus import TASKS
from holdfast.ports.operations import LimitHolder, LimitRecord, SetLimit
from holdfast.stores.sql import executions, rates
from holdfast.stores.sql.queue_states import DELAYED, KEYED, PLACELESS, RATED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from holdfast.ports.operations import QueueTask
    from holdfast.stores.sql.session import Handler, Reader, Session

TOUCHED_MAX: Final = 1_000
"""How many notes of touched lines one claim takes at most; the next claim goes on."""
READ_MIN: Final = 4
READ_MAX: Final = 256
"""How many rows are read at a time of one line, and of all lines that move together."""
HOLDERS_MAX: Final = 10_000
"""How many holders are listed, at most."""

_PLACE, _RATE, _POOL, _PREFIX = "place ", "rate ", "pool ", "prefix "

_encode = msgspec.msgpack.Encoder().encode
_encode_json = msgspec.json.Encoder().encode
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


# --- What others do to lines -------------------------------------------------------------------------------------


def enqueue(session: Session, execution_id: int, item: QueueTask) -> None:
    """Queue a task with limits. A claim moves it into its first line once it is due."""
    limits = item.limits
    assert limits is not None, "only called for a task with limits"
    session.later(
        "enqueue_limited_task",
        (
            execution_id,
            item.step,
            item.task,
            item.pool,
            item.priority,
            item.input,
            item.options,
            item.failures,
            item.attempt,
            item.queued_at or session.now,
            max(item.visible_at, session.now),
            DELAYED,
            item.progress,
            item.traceparent,
            _encode(limits),
            limits.place,
            limits.fairness or limits.prefix,  # those of one prefix do not keep others from being seen
            limits.prefix,
        ),
    )


def free(session: Session, places: Iterable[str]) -> None:
    """Let the next in line have places that rows no longer have; empty names are none."""
    session.touched.update(f"{_PLACE}{place}" for place in places if place)


def withdraw(session: Session, execution_id: int, steps: Iterable[str]) -> None:
    """Remove the rows of `steps` that have limits; others go on in their stead."""
    gone: list[Sequence[Any]] = []
    for step in steps:
        gone += session.rows("unqueue_limited_task", (execution_id, step))
    forget(session, gone)


def drop(session: Session, execution_id: int) -> None:
    """Remove an execution's rows that have limits."""
    if rows_of(session, execution_id):
        forget(session, session.rows("drop_limited_tasks", (execution_id,)))


def rows_of(session: Session, execution_id: int) -> list[tuple[Any, ...]]:
    """Return what `forget` has to know of an execution's rows, before they go."""
    return session.rows("limited_tasks_of", (execution_id,))


def forget(session: Session, rows: Sequence[Sequence[Any]]) -> None:
    """Let others have what rows had that are gone, or set aside: (id, place, limits) of each."""
    names: set[str] = set()
    rated: list[tuple[int]] = []
    for task_id, _, limits in rows:
        found = [use.name for use in _decode(limits).rates]
        if found:
            rated.append((task_id,))
            names.update(found)
    if rated:
        session.run_many("drop_rate_hold", rated)
    free(session, [place for _, place, _ in rows])
    session.touched.update(f"{_RATE}{name}" for name in names)


def set_limit(session: Session, operation: SetLimit) -> bool:
    """Let a limit or a rate have another figure than tasks say; whoever fits now goes on with the next claim."""
    if operation.amount is None:
        session.run("drop_limit_rule", (operation.kind, operation.name))
    else:
        session.run("put_limit_rule", (operation.kind, operation.name, operation.amount, operation.by, session.now))
    line = f"{_RATE if operation.kind == 'rate' else _PLACE}{operation.name}"
    session.touched.update(each for (each,) in session.rows("lines_named", (line, f"{line}[")))
    return True


def leave_touched(session: Session) -> None:
    """Write down which lines this transaction touched, and did not move itself, for whoever claims next."""
    if not session.touched:
        return
    for line in sorted(session.touched):
        session.later("touch_lines", (line,))
    session.touched.clear()
    session.rings.add(TASKS)


# --- What claims do ----------------------------------------------------------------------------------------------


def let_through(session: Session, due_max: int) -> set[int]:
    """Move rows that are due, so many at most, into their lines, and let go on who fits; return who that is."""
    if session.locked:
        return set()  # one after the other in one transaction: what is locked already decides what may still be locked
    touched = {*session.touched, *(line for (line,) in session.rows("take_touched_lines", (TOUCHED_MAX,)))}
    session.touched.clear()
    guards = {task_id: _guard(*row) for task_id, *row in session.rows("due_limited_tasks", (session.now, due_max))}
    if not touched and not guards:
        return set()
    onward = _let_through_places(session, touched, guards)
    return _let_through_rates(session, touched, guards, onward)


def use(session: Session, claimed: Sequence[tuple[int, bytes]], starts_within: float) -> set[int]:
    """Note that rows, given by id and limits, were claimed; return those that must not start, and wait again."""
    attempts = [(task_id, uses) for task_id, limits in claimed if (uses := _decode(limits).rates)]
    if not attempts:
        return set()
    refused, roomier = rates.take(session, attempts, starts_within)
    session.run_many(
        "put_back_in_line",
        [(task_id, f"{_RATE}{uses[0].name}") for task_id, uses in attempts if task_id in refused],
    )
    session.touched.update(f"{_RATE}{name}" for name in roomier)
    return refused


def _guard(pool: str, place: str, line: str, limits: bytes) -> str:
    """Return the line whose lock somebody needs who moves a row that is due: where it stands, or will stand first."""
    if line:
        return line
    if place:
        return f"{_PLACE}{place}"
    found = _decode(limits)
    return f"{_RATE}{found.rates[0].name}" if found.rates else _last_line(pool, found)


def _last_line(pool: str, limits: Limits) -> str:
    """Return the line from which a row is claimed that takes turns."""
    return f"{_PREFIX if limits.prefix else _POOL}{pool}"


def _lock(session: Session, lines: Iterable[str]) -> None:
    """Wait until nobody else moves these lines."""
    new = sorted(set(lines) - session.locked)
    if new:
        session.rows_of_many("lock_lines", [(line,) for line in new])
        session.locked.update(new)
        session.read_time()


def _lock_in_any_order(session: Session, lines: set[str]) -> None:
    """Wait until nobody else moves these lines; out of order that is not done beside others."""
    if not lines:
        return
    if _may_wait(session, lines):
        _lock(session, lines)
    else:
        session.row("lock_line", (min(lines),))
        session.locked.update(lines)  # nobody else writes


def _may_wait(session: Session, lines: Iterable[str]) -> bool:
    """Say whether lines come after all that are locked: then whoever waits for them does not wait in a circle."""
    return not session.locked or max(session.locked) < min(lines)


def _let_through_places(session: Session, touched: Iterable[str], guards: dict[int, str]) -> list[Limited]:
    """Move rows through the lines for places; return those that go on from there, or need none and no rate either."""
    lines = {line for line in (*touched, *guards.values()) if not line.startswith(_RATE)}
    _lock(session, lines)
    due = _still_due(session, guards, lines)
    joining = [row for row in due if row.place and not row.held]
    _stand(session, [(row.id, f"{_PLACE}{row.place}", PLACELESS) for row in joining])
    # Whoever waited for the lock finds that most of it was done meanwhile.
    moving = {*(line for line in touched if line.startswith(_PLACE)), *(f"{_PLACE}{row.place}" for row in joining)}
    places = sorted(line.removeprefix(_PLACE) for line in moving)
    return [row for row in due if row.held or not row.place] + _grant(session, places)


def _let_through_rates(
    session: Session, touched: Iterable[str], guards: dict[int, str], onward: Sequence[Limited]
) -> set[int]:
    """Move rows through the lines for rates, and those that are `onward` from places; return who may be claimed."""
    rated = [(row.id, f"{_RATE}{uses[0].name}") for row in onward if (uses := _decode(row.limits).rates)]
    waiting = {task_id for task_id, _ in rated}
    let = _make_claimable(session, [row for row in onward if row.id not in waiting])
    lines = {line for line in (*touched, *guards.values(), *(line for _, line in rated)) if line.startswith(_RATE)}
    if not lines:
        return let
    _lock(session, lines)
    due = _still_due(session, guards, lines)
    scouts = {row.line for row in due if row.line}  # it was time to look again
    rated += [(row.id, f"{_RATE}{_decode(row.limits).rates[0].name}") for row in due if not row.line]
    _stand(session, [(task_id, line, RATED) for task_id, line in rated])
    moving = {*(line for line in touched if line.startswith(_RATE)), *scouts, *(line for _, line in rated)}
    return let | _advance(session, sorted(moving))


def _still_due(session: Session, guards: dict[int, str], lines: set[str]) -> list[Limited]:
    """Return rows whose guards are among `lines`, which are locked now, if nobody moved them before."""
    wanted = [task_id for task_id, line in guards.items() if line in lines]
    if not wanted:
        return []
    found = [Limited(*row) for row in session.rows("still_due_tasks", (_encode_json(wanted).decode(), session.now))]
    return [row for row in found if _guard(row.pool, row.place, row.line, row.limits) in lines]


def _grant(session: Session, places: Sequence[str]) -> list[Limited]:
    """Give free places to the first in line for them; return who got one."""
    asked = [(place, place.partition("[")[0]) for place in places]
    known = {place: (held, rule) for place, held, rule in session.rows_of_many("weigh_places", asked)}
    granted: list[Limited] = []
    left = list(places)
    while left:
        size = max(READ_MIN, READ_MAX // len(left))
        found = _first_in_line(session, [f"{_PLACE}{place}" for place in left], size)
        fit: list[Limited] = []
        again: list[str] = []
        for place in left:
            held, rule = known[place]
            rows = found.get(f"{_PLACE}{place}", [])
            fitting = 0
            for row in rows:
                if held + fitting >= (_decode(row.limits).slots if rule is None else int(rule)):
                    break
                fitting += 1
            known[place] = (held + fitting, rule)
            fit += rows[:fitting]
            if fitting == size:
                again.append(place)
        if fit:
            session.run("hold_places", (_ids(fit),))
        granted += fit
        left = again
    return granted


def _advance(session: Session, lines: Sequence[str]) -> set[int]:
    """Let go on who is first in line for a rate and fits; return who may be claimed now."""
    let: set[int] = set()
    if lines:
        rates.drop_old(session, [line.removeprefix(_RATE) for line in lines])
    rooms = rates.Rooms(session)
    left = list(lines)
    while left:
        size = max(READ_MIN, READ_MAX // len(left))
        found = _first_in_line(session, left, size)
        names = {use.name for rows in found.values() for row in rows for use in _decode(row.limits).rates}
        _lock_in_any_order(session, {f"{_RATE}{name}" for name in names} - session.locked)
        rooms.learn(names)
        fitting: list[Limited] = []
        scouts: list[tuple[Limited, float]] = []
        again: list[str] = []
        for line in left:
            rows = found.get(line, [])
            for row in rows:
                uses = _decode(row.limits).rates
                due = rooms.fits_at(uses)
                if due > session.now:
                    scouts.append((row, due))
                    break
                rooms.set_apart(row.id, uses)
                fitting.append(row)
            else:
                if len(rows) == size:
                    again.append(line)
        rooms.save()
        let |= _make_claimable(session, fitting)
        _post_scouts(session, scouts)
        left = again
    return let


def _post_scouts(session: Session, scouts: Sequence[tuple[Limited, float]]) -> None:
    """Have lines looked at again when their first row will fit."""
    new = [(row, due) for row, due in scouts if row.state != DELAYED or not session.now < row.visible_at <= due]
    if new:
        session.run_many("recall_scouts", [(row.line,) for row, _ in new])
        session.run_many("post_scout", [(row.id, due) for row, due in new])
        session.rings.add(TASKS)  # whoever sleeps has to know until when


def _make_claimable(session: Session, rows: Sequence[Limited]) -> set[int]:
    keyed = [row for row in rows if row.fairness]
    _stand(session, [(row.id, _last_line(row.pool, _decode(row.limits)), KEYED) for row in keyed])
    plain = [row for row in rows if not row.fairness]
    if plain:
        session.run("make_tasks_ready", (_ids(plain),))
    return {row.id for row in rows}


def _stand(session: Session, rows: Sequence[tuple[int, str, int]]) -> None:
    """Let rows stand in line, one behind the other."""
    if rows:
        session.run("stand_in_line", (_encode_json(rows).decode(),))


def _first_in_line(session: Session, lines: Sequence[str], size: int) -> dict[str, list[Limited]]:
    """Return the first rows of each line, so many at most."""
    found: dict[str, list[Limited]] = {}
    for row in session.rows_of_many("first_in_line", [(line, size) for line in lines]):
        limited = Limited(*row)
        found.setdefault(limited.line, []).append(limited)
    return found


def _ids(rows: Sequence[Limited]) -> str:
    return _encode_json([row.id for row in rows]).decode()


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
    of_rates = [
        LimitRecord("rate", name, amount, per, used + held, (), waiting.get(f"rate {name}", 0), frozen_until, frozen_by)
        for name, amount, per, frozen_until, frozen_by, used, held in reader.rows("read_rates", (now,))
    ]
    found = [*places.values(), *(_thawed(rate, now) for rate in of_rates)]
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


HANDLERS: Final[dict[type, Handler]] = {SetLimit: set_limit}
