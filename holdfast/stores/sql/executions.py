"""Executions: claimed, released, parked, paused, looked up, listed.

Owns: the table `executions`, but for what a history's author changes (`log`).
Must not know: how histories are stored, what queues and locks there are.

An execution is owned, or waits to be claimed: at once when `ready` is 1, else when `wake_at` has come. Those whose
time has come are made ready before each claim, so a claim reads one index from its start and walks over nothing.

One that is to begin later (`starts_at`) waits for that as for a timer. Until then nothing makes it ready: its mail
waits with it, and when it is cancelled it ends without having begun.

One that is parked or paused under its owner's hands is noted in `taken`: its owner may keep it in memory for as long as
nothing happens to it, and has to hear that it is not its own. One that was told to terminate, and that nobody owns any
more, needs nobody to end: see `Session.endings`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from holdfast.history import attribute_key, decode_attributes
from holdfast.ports.bus import RUNS
from holdfast.ports.operations import PARKED, PAUSED, RUNNING, ClaimedRun, ClaimRuns, ReleaseRuns, RunFilter, RunRecord
from holdfast.stores.sql import changes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.ports.operations import NewChild, StartRun
    from holdfast.stores.sql.session import Handler, Reader, Session

WOKEN_MAX: Final = 10_000
"""How many due executions one claim makes ready at most; the next claim goes on."""

LISTED_MAX: Final = 1_000
"""How many executions one page of a list holds at most."""

_ID_MAX: Final = 2**63 - 1

_encode_json = msgspec.json.Encoder().encode
_decode_attributes = msgspec.json.Decoder(dict[str, str]).decode


def name_of(run_id: str, number: int) -> str:
    """Return the name of a run's execution."""
    return run_id if number == 1 else f"{run_id}@{number}"


def find(reader: Reader, name: str) -> tuple[int, int | None, str] | None:
    """Return (id, owner, status) of a run's newest execution, or of the execution that `name` names."""
    found = reader.row("newest_execution", (name,))
    if found is None:
        run_id, _, number = name.rpartition("@")
        # At most 18 digits: anything longer is no number of ours, and SQLite could not hold it.
        if run_id and number.isascii() and number.isdecimal() and len(number) <= 18:
            found = reader.row("numbered_execution", (run_id, int(number)))
    return found


# --- Owned and not -----------------------------------------------------------------------------------------------


def claim(session: Session, operation: ClaimRuns) -> tuple[ClaimedRun, ...]:
    """Own ready executions of the named workflows, those that were started first."""
    member = session.member
    session.run("wake_executions", (session.now, WOKEN_MAX))
    versions = operation.versions or ("",) * len(operation.workflows)
    known = list(zip(operation.workflows, versions, strict=True))
    found = sorted(session.rows("ready_executions", (_encode_json(known).decode(), operation.limit)))
    del found[operation.limit :]
    session.run_many("own_execution", [(row[0], member) for row in found])
    session.run_many("own_inbox", [(row[0], member) for row in found])
    version_of = {name: version for name, version in known if version}
    if version_of:
        # Whoever started these did not know the code: they begin with the version that takes them first.
        new = [(row[0], version_of[row[3]]) for row in found if not row[5] and row[3] in version_of]
        session.run_many("note_version", new)
    if operation.pins:
        pinned = [(row[0], version_of[row[3]]) for row in found if row[3] in operation.pins and row[3] in version_of]
        session.run_many("pin_execution", pinned)
    return tuple(
        ClaimedRun(execution_id, run_id, name_of(run_id, number), workflow, recoveries)
        for execution_id, run_id, number, workflow, recoveries, _ in found
    )


def release(session: Session, operation: ReleaseRuns) -> int:
    """Disown executions of the writing member; those with unread mail, or all if it says so, are ready at once."""
    member, released = session.member, 0
    for execution_id in operation.execution_ids:
        if session.run("release_execution", (execution_id, member, operation.ready)):
            released += 1
            session.run("disown_inbox", (execution_id,))
            session.disowned.append(execution_id)
            if session.row("is_ready", (execution_id,)) == (1,):
                session.rings.add(RUNS)
                _end_if_told(session, execution_id)
        session.run("forget_taken", (member, execution_id))
    return released


def free_member(session: Session, member: int, recoveries_max: int | None) -> int:
    """Make the executions of a member that is gone claimable; return how many it had.

    With a `recoveries_max` the member died: one more recovery is counted, and what passes the limit is parked. None
    says that it left in good order.
    """
    poison = 0
    if recoveries_max is not None:
        reason = (
            f"its members died or froze {recoveries_max + 1} times in a row without progress (recoveries_max "
            f"{recoveries_max})"
        )
        rows = session.rows("park_poison", (member, recoveries_max, reason))
        for execution_id, run_id in rows:
            changes.note(session, execution_id, PARKED)
            session.parked.append(run_id)
        poison = len(rows)
    freed = session.run("free_executions", (member, int(recoveries_max is not None)))
    session.run("forget_all_taken", (member,))
    session.endings.extend(session.rows("told_to_end", (member,)))
    session.run("disown_inboxes_of", (member,))
    loosen(session, member)
    if freed:
        session.rings.add(RUNS)
    return freed + poison


def park(session: Session, execution_id: int, reason: str) -> bool:
    """Park a running execution for `reason`, whoever owns it; return whether it was running.

    Its owner, if it has one, finds its next append refused.
    """
    found = session.row("execution_standing", (execution_id,))
    if found is None or found[2] != RUNNING:
        return False
    run_id, owner, _ = found
    session.run("park_execution", (execution_id, reason))
    changes.note(session, execution_id, PARKED)
    _take(session, execution_id, owner)
    session.parked.append(run_id)
    _end_if_told(session, execution_id)
    return True


def pause(session: Session, execution_id: int, by: str, reason: str) -> None:
    """Pause an execution that has not ended, whoever owns it."""
    found = session.row("execution_standing", (execution_id,))
    assert found is not None, "it was looked up in this transaction"
    session.run("pause_execution", (execution_id, by, reason, session.now))
    changes.note(session, execution_id, PAUSED)
    _take(session, execution_id, found[1])
    _end_if_told(session, execution_id)


def terminate(session: Session, execution_id: int, reason: bytes) -> None:
    """End an execution that has not ended in this transaction, whoever owns it."""
    found = session.row("execution_standing", (execution_id,))
    assert found is not None, "it was looked up in this transaction"
    session.run("take_execution", (execution_id,))
    _take(session, execution_id, found[1])
    session.endings.append((execution_id, reason))


def is_scheduled(session: Session, execution_id: int) -> bool:
    """Say whether an execution may not begin yet, because its time has not come."""
    return bool(session.value("is_scheduled", (execution_id,)))


def is_paused(session: Session, execution_id: int) -> bool:
    """Say whether an execution is paused."""
    found = session.row("execution_standing", (execution_id,))
    return found is not None and found[2] == PAUSED


def _take(session: Session, execution_id: int, owner: int | None) -> None:
    """Take an execution's mail, and its owner's memory of it, from the owner it had."""
    session.run("disown_inbox", (execution_id,))
    if owner is not None:
        # Also when the owner itself writes: what others asked of this process is in the same transaction.
        session.run("note_taken", (owner, execution_id))
        session.rings.add(RUNS)
        loosen(session, owner)


def _end_if_told(session: Session, execution_id: int) -> None:
    told = session.row("execution_told_to_end", (execution_id,))
    if told is not None:
        session.endings.append((execution_id, told[0]))


def put_notes(session: Session, execution_id: int, start: StartRun | NewChild) -> None:
    """Let a new execution be found by its attributes, and keep its memo."""
    _put_attributes(session, execution_id, start.attributes)
    if start.memo:
        session.run("put_memo", (execution_id, start.memo))


def change_attributes(session: Session, execution_id: int, changes: Sequence[tuple[str, str]]) -> None:
    """Let an execution be found by other values of some attributes; those without one are taken away."""
    session.run_many("drop_attribute", [(execution_id, name) for name, _ in changes])
    _put_attributes(session, execution_id, [each for each in changes if each[1]])


def _put_attributes(session: Session, execution_id: int, attributes: Sequence[tuple[str, str]]) -> None:
    values = decode_attributes(dict(attributes))
    rows = [(name, attribute_key(values[name]), execution_id, literal) for name, literal in attributes]
    session.run_many("put_attribute", rows)


def loosen(session: Session, member: int) -> None:
    """Say that somebody else changed what `member` owns, so that nobody's memory of it counts any longer."""
    session.run("loosen_grip", (member,))
    session.loosened.add(member)


# --- Reads -------------------------------------------------------------------------------------------------------


def read(reader: Reader, execution_id: int) -> RunRecord | None:
    """Return one execution."""
    row = reader.row("read_execution", (execution_id,))
    if row is None:
        return None
    return RunRecord(
        execution_id=row[0],
        run_id=row[1],
        execution=name_of(row[1], row[2]),
        workflow=row[3],
        status=row[4],
        created_at=row[5],
        closed_at=row[6],
        parked=row[7],
        outcome=row[8] or b"",
        owner=row[9] or "",
        last_event=row[10] or 0,
        code_version=row[11],
        recoveries=row[12],
        wake_at=row[13],
        paused_by=row[14],
        paused_reason=row[15],
        paused_at=row[16],
        attributes=_decode_attributes(row[17]),
        memo=row[18] or b"",
        pin=row[19],
        starts_at=row[20],
    )


def read_by_name(reader: Reader, name: str) -> RunRecord | None:
    """Return a run's newest execution, or the execution that `name` names."""
    found = find(reader, name)
    return None if found is None else read(reader, found[0])


def read_page(reader: Reader, where: RunFilter, cursor: str | None, limit: int) -> tuple[list[RunRecord], str | None]:
    """Return newest executions, newest first, and the cursor of the next page.

    Raises:
        ValueError: the cursor is not one of ours.
    """
    limit = max(1, min(limit, LISTED_MAX))
    rows = reader.rows(*_search(where, cursor, limit + 1))
    ids = [row[0] for row in rows[:limit]]
    records = [record for each in ids if (record := read(reader, each)) is not None]
    return records, str(ids[-1]) if len(rows) > limit else None


def count_found(reader: Reader, where: RunFilter, limit: int) -> int:
    """Return how many newest executions `where` means, but no more than `limit`."""
    name = "count_found_with_attributes" if where.attributes else "count_found_executions"
    ((found,),) = reader.rows(name, _bindings(where, None, limit))
    return int(found)


def _search(where: RunFilter, cursor: str | None, limit: int) -> tuple[str, tuple[Any, ...]]:
    """Return the statement for a filter, the one whose index serves it, and its bindings."""
    bindings = _bindings(where, cursor, limit)
    if where.attributes:
        return "find_executions_with_attributes", bindings
    if where.error or where.created_from is not None or where.created_before is not None or len(where.statuses) > 1:
        return "find_executions", bindings
    if where.statuses:
        return "list_executions_of_status", (*bindings[:3], where.statuses[0])
    return "list_executions", bindings[:3]


def _bindings(where: RunFilter, cursor: str | None, limit: int) -> tuple[Any, ...]:
    before = int(cursor) if cursor else _ID_MAX
    statuses = _encode_json(where.statuses).decode() if where.statuses else None
    times = (where.created_from, where.created_before)
    common = (before, _workflows(where), limit, statuses, *times, where.error or None)
    if not where.attributes:
        return common
    (name, key), *others = ((name, attribute_key(text)) for name, text in where.attributes)
    return *common, name, key, _encode_json(others).decode()


def _workflows(where: RunFilter) -> str | None:
    """Return the workflows that are meant, as a JSON array; None is all of them."""
    names = where.workflows
    if where.workflow is not None:
        names = (where.workflow,) if not names or where.workflow in names else ()
    return _encode_json(names).decode() if names or where.workflow is not None else None


def count_waiting(reader: Reader, limit: int) -> int:
    """Return how many executions are ready to be claimed, but no more than `limit`; -1 is no limit."""
    ((found,),) = reader.rows("count_ready_executions", (limit,))
    return int(found)


def count(reader: Reader) -> dict[str, int]:
    """Return how many runs have which status."""
    counts: dict[str, int] = dict(reader.rows("count_executions"))
    return counts


def count_late(reader: Reader, now: float) -> tuple[int, float]:
    """Return for how many executions that nobody owns a timer is due, and for how long the first has been."""
    ((late, first),) = reader.rows("count_late_executions", (now,))
    return late, max(0.0, now - first) if first is not None else 0.0


HANDLERS: Final[dict[type, Handler]] = {ClaimRuns: claim, ReleaseRuns: release}
