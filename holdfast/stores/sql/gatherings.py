"""Events that wait for one another, and become one run.

Owns: the tables `gatherings` and `gathered`.
Must not know: what events say, what a run is begun with.

Whoever begins a run has read the events before. That none came since is known by their number: it grows with each one,
and nothing is added once a gathering is due. An event that comes late therefore closes the gathering that it finds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from holdfast.errors import HoldfastError, RequestError
from holdfast.ports.bus import GATHERINGS
from holdfast.ports.operations import (
    GATHERED_BYTES_MAX,
    BeginGathered,
    Begun,
    Gather,
    Gathered,
    GatheringRecord,
    GatheringState,
    HurryGathering,
    Overtaken,
    PruneGatherings,
)

if TYPE_CHECKING:
    from holdfast.ports.operations import Operation
    from holdfast.stores.sql.session import Handler, Reader, Session

LISTED_MAX: Final = 500


def gather(session: Session, operation: Gather) -> Gathered:
    """Add an event to the open gathering of its workflow and key, or open one."""
    if operation.event_id:
        before = session.row("find_gathered", (operation.workflow, operation.event_id))
        if before is not None:
            gathering_id, run_id, due, events = before
            return Gathered(gathering_id, run_id, due, events, is_repeated=True)
    now = session.now
    standing = _standing(session, operation)
    if standing is None:
        gathering_id = session.next_token()
        run_id = f"{operation.workflow}-gathered-{gathering_id}"
        latest, events, length = now + operation.within, 0, 0
        opening = (gathering_id, operation.workflow, operation.key, run_id, operation.size, now, latest)
        session.run("open_gathering", opening)
        session.rings.add(GATHERINGS)
    else:
        gathering_id, run_id, latest, events, length = standing
    events, length = events + 1, length + len(operation.event)
    due = min(now + operation.quiet, latest) if operation.quiet else latest
    state = GatheringState.OPEN
    if operation.size and (events >= operation.size or length >= GATHERED_BYTES_MAX):
        due, state = now, GatheringState.FULL
        session.rings.add(GATHERINGS)
    session.run("put_gathered", (gathering_id, events, operation.workflow, operation.event_id, operation.event))
    if not operation.size and events > 1:
        session.run("empty_gathered", (gathering_id, events - 1))
    session.run("note_gathered", (gathering_id, events, length, due, str(state)))
    return Gathered(gathering_id, run_id, due, events)


def _standing(session: Session, operation: Gather) -> tuple[int, str, float, int, int] | None:
    """Return the gathering that takes the event; None where one has to be opened."""
    found = session.row("standing_gathering", (operation.workflow, operation.key))
    if found is None:
        return None
    gathering_id, run_id, size, latest, due, events, length = found
    if due <= session.now or bool(size) != bool(operation.size):
        # It is due, or gathers otherwise: what it has becomes a run, at the time at which it was to.
        session.run("close_gathering", (gathering_id,))
        return None
    return gathering_id, run_id, latest, events, length


def begin(session: Session, operation: BeginGathered) -> Begun | Overtaken:
    """Begin the run of a gathering, unless somebody has, or another event came.

    Raises:
        HoldfastError: the act cannot be carried out now, and nothing was noted.
    """
    found = session.row("gathering_standing", (operation.gathering_id,))
    if found is None or found[0] not in {GatheringState.OPEN, GatheringState.FULL} or found[1] != operation.events:
        return Begun(False)
    result = session.carry_out(cast("Operation", operation.act))
    if isinstance(result, Overtaken):
        return result
    if isinstance(result, RequestError):
        words = result.message()
        session.run("settle_gathering", (operation.gathering_id, GatheringState.REFUSED.value, session.now, words))
        return Begun(False, words)
    if isinstance(result, HoldfastError):
        raise result
    session.run("settle_gathering", (operation.gathering_id, GatheringState.BEGUN.value, session.now, ""))
    session.run("empty_all_gathered", (operation.gathering_id,))
    return Begun(True)


def hurry(session: Session, operation: HurryGathering) -> bool:
    """Make a gathering due now; return whether there is one that has not begun its run."""
    found = bool(session.run("hurry_gathering", (operation.gathering_id, session.now)))
    if found:
        session.rings.add(GATHERINGS)
    return found


def prune(session: Session, operation: PruneGatherings) -> int:
    """Forget what was begun before a time, with the names of its events; return how many that were."""
    old = session.rows("prunable_gatherings", (operation.before, operation.limit))
    session.run_many("drop_gathered", old)
    session.run_many("drop_gathering", old)
    return len(old)


# --- Reads -------------------------------------------------------------------------------------------------------


def read_page(reader: Reader, cursor: str | None, limit: int) -> tuple[list[GatheringRecord], str | None]:
    """Return gatherings, newest first, and the cursor of the next page.

    Raises:
        ValueError: the cursor is not one of ours.
    """
    limit = max(1, min(limit, LISTED_MAX))
    rows = reader.rows("list_gatherings", (int(cursor) if cursor else 2**63 - 1, limit + 1))
    records = [GatheringRecord(*each) for each in rows[:limit]]
    return records, str(records[-1].gathering_id) if len(rows) > limit else None


def read(reader: Reader, gathering_id: int) -> GatheringRecord | None:
    """Return one gathering."""
    row = reader.row("read_gathering", (gathering_id,))
    return None if row is None else GatheringRecord(*row)


def read_due(reader: Reader, now: float, limit: int) -> list[GatheringRecord]:
    """Return gatherings whose time has come, the first ones first."""
    return [GatheringRecord(*each) for each in reader.rows("due_gatherings", (now, limit))]


def read_events(reader: Reader, gathering_id: int) -> list[bytes]:
    """Return the events of a gathering that count, in order."""
    rows: list[tuple[Any, ...]] = reader.rows("read_gathered", (gathering_id,))
    return [each[0] for each in rows]


def read_next(reader: Reader) -> float | None:
    """Return when a gathering is due next; None when there is none."""
    found: float | None = reader.value("next_gathering")
    return found


HANDLERS: Final[dict[type, Handler]] = {
    Gather: gather,
    BeginGathered: begin,
    HurryGathering: hurry,
    PruneGatherings: prune,
}
