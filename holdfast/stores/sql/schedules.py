"""Schedules: what they are, how far they are, what came of their due times.

Owns: the tables `schedules` and `schedule_fires`.
Must not know: when anything is due, what a state means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from holdfast.errors import HoldfastError, RequestError
from holdfast.ports.bus import SCHEDULES
from holdfast.ports.operations import (
    FOUND,
    REFUSED,
    STARTED,
    TERMINAL,
    DropSchedule,
    FireNote,
    FireRecord,
    Moved,
    MoveSchedule,
    Overtaken,
    PutSchedule,
    ScheduleRecord,
    ScheduleRun,
    Started,
)

if TYPE_CHECKING:
    from holdfast.ports.operations import Operation
    from holdfast.stores.sql.session import Handler, Reader, Session

FIRES_KEPT: Final = 200
"""How many notes of a schedule are kept; those whose runs are open stay whatever their number."""


def put(session: Session, operation: PutSchedule) -> bool:
    """Create a schedule, or change what it is; return whether the change was based on its newest revision."""
    found = session.row("schedule_standing", (operation.name,))
    if (0 if found is None else found[0]) != operation.revision:
        return False
    contents = (operation.source, operation.spec, operation.input, operation.state, operation.next_at, session.now)
    statement = "change_schedule" if operation.revision else "create_schedule"
    session.run(statement, (operation.name, session.next_token(), *contents))
    session.rings.add(SCHEDULES)
    return True


def move(session: Session, operation: MoveSchedule) -> Moved | Overtaken:
    """Bring a schedule forward with the act that this means; return what came of it.

    Raises:
        HoldfastError: the act cannot be carried out now, and nothing was noted.
    """
    found = session.row("schedule_standing", (operation.name,))
    if found is None or found[0] != operation.revision:
        return Moved(False)
    result = None if operation.act is None else session.carry_out(cast("Operation", operation.act))
    if isinstance(result, Overtaken):
        return result
    if isinstance(result, HoldfastError) and not isinstance(result, RequestError):
        raise result
    next_at = operation.next_at
    if isinstance(result, RequestError) or (isinstance(result, Started) and result.status in TERMINAL):
        next_at = session.now  # it was decided on the assumption that a run is open now
    session.run("move_schedule", (operation.name, session.next_token(), operation.state, next_at))
    session.run_many("settle_fire", [(operation.name, each) for each in operation.settled])
    for note in operation.fires:
        _note(session, operation.name, note, result)
    if operation.fires:
        session.run("prune_fires", (operation.name, FIRES_KEPT))
    if next_at is not None and (found[1] is None or next_at < found[1]):
        session.rings.add(SCHEDULES)  # whoever sleeps has to look earlier
    refused = result.message() if isinstance(result, RequestError) else ""
    return Moved(True, isinstance(result, Started) and result.created, refused)


def drop(session: Session, operation: DropSchedule) -> bool:
    """Delete a schedule and what was noted of it; return whether there was one."""
    session.run("drop_fires", (operation.name,))
    dropped = session.run("drop_schedule", (operation.name,)) > 0
    if dropped:
        session.rings.add(SCHEDULES)
    return dropped


def _note(session: Session, schedule: str, note: FireNote, result: Any) -> None:
    outcome, words, is_open = note.outcome, note.words, False
    if outcome == STARTED and isinstance(result, RequestError):
        outcome, words = REFUSED, result.message()
    elif outcome == STARTED and isinstance(result, Started):
        outcome = STARTED if result.created else FOUND
        is_open = result.status not in TERMINAL
    numbers = (note.due, note.until, note.count)
    session.run("note_fire", (schedule, note.kind, outcome, *numbers, note.run_id, words, session.now, int(is_open)))


# --- Reads -------------------------------------------------------------------------------------------------------


def read_all(reader: Reader) -> list[ScheduleRecord]:
    """Return all schedules, by name."""
    rows = reader.rows("read_schedules")
    return [_record(reader, each) for each in rows]


def read(reader: Reader, name: str) -> ScheduleRecord | None:
    """Return one schedule."""
    row = reader.row("read_schedule", (name,))
    return None if row is None else _record(reader, row)


def read_due(reader: Reader, now: float, limit: int) -> list[ScheduleRecord]:
    """Return schedules that have to be looked at: their time has come, or one of their runs has ended."""
    rows = reader.rows("due_schedules", (now, limit))
    return [_record(reader, each) for each in rows]


def read_next(reader: Reader) -> tuple[float | None, bool]:
    """Return when a schedule has to be looked at next, and whether the end of some run would be a reason, too."""
    next_at: float | None = reader.value("next_schedule")
    return next_at, bool(reader.value("open_fires_exist"))


def read_fires(reader: Reader, name: str, limit: int) -> list[FireRecord]:
    """Return what was noted of a schedule's due times, newest first."""
    rows: list[tuple[Any, ...]] = reader.rows("read_fires", (name, limit))
    return [FireRecord(*each) for each in rows]


def _record(reader: Reader, row: tuple[Any, ...]) -> ScheduleRecord:
    runs: list[tuple[Any, ...]] = reader.rows("open_fires", (row[0],))
    return ScheduleRecord(*row, runs=tuple(ScheduleRun(*each) for each in runs))  # type: ignore[misc]  # nine in a row


HANDLERS: Final[dict[type, Handler]] = {PutSchedule: put, MoveSchedule: move, DropSchedule: drop}
