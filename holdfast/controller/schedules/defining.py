"""What schedules there are: putting one into the store, and those that code and settings say.

Owns: when a schedule that is there is changed, and from when its times count then.
Must not know: HTTP, who reads settings.

A schedule that is put again as it is stays as it is: a process that starts goes on where the last one was. One that has
other times counts them from now on. One that code or settings do not say any more stays, and goes on, until somebody
deletes it: who starts without some module, or with an older one, must not end what others have started.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from holdfast.authoring.schedules import ScheduleSpec, Times, encode_spec
from holdfast.controller.schedules.decision import next_look
from holdfast.controller.schedules.state import Schedule, ScheduleState, encode_state
from holdfast.errors import HoldfastError, StoreBusyError
from holdfast.ports.operations import PutSchedule, ScheduleRecord
from holdfast.ports.store import Store

Source = Literal["code", "config", "api"]
"""Who says what a schedule is."""

TRIES_MAX: Final = 50
"""How often in a row others may change a schedule before a change of it gives up."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A schedule as it is to be."""

    name: str
    spec: ScheduleSpec
    input: bytes
    source: Source


async def put_schedule(store: Store, wanted: Wanted) -> bool:
    """Create a schedule, or change it to what is wanted; return whether that was needed.

    Raises:
        StoreBusyError: others change it all the time.
        StoreError: it could not be written.
    """
    for _ in range(TRIES_MAX):
        record = await store.schedule(wanted.name)
        if record is not None and _is_as_wanted(record, wanted):
            return False
        (result,) = await store.write([_change(record, wanted, await store.now())])
        if isinstance(result, HoldfastError):
            raise result
        if result:
            return True
    raise overtaken(wanted.name)


async def define_all(store: Store, wanted: Iterable[Wanted]) -> tuple[str, ...]:
    """Put all schedules that code and settings say; return the names of those that were not there as they are."""
    return tuple([each.name for each in wanted if await put_schedule(store, each)])


def overtaken(name: str) -> StoreBusyError:
    """Return what is raised when others change a schedule all the time."""
    return StoreBusyError(f"schedule {name!r} was changed by others {TRIES_MAX} times in a row")


def _is_as_wanted(record: ScheduleRecord, wanted: Wanted) -> bool:
    return (record.source, record.spec, record.input) == (wanted.source, encode_spec(wanted.spec), wanted.input)


def _change(record: ScheduleRecord | None, wanted: Wanted, now: float) -> PutSchedule:
    state = ScheduleState(int(now))
    if record is not None:
        before = Schedule.read(record)
        is_timed_alike = before.spec.timing == wanted.spec.timing
        cursor = before.state.cursor if is_timed_alike else max(before.state.cursor, int(now))
        state = msgspec.structs.replace(before.state, cursor=cursor)
    revision = 0 if record is None else record.revision
    made = ScheduleRecord(
        wanted.name,
        revision,
        wanted.source,
        encode_spec(wanted.spec),
        wanted.input,
        encode_state(state),
        None,
        now,
        now,
    )
    looked_at = next_look(Schedule(made, wanted.spec, state, Times(wanted.name, wanted.spec)), now)
    return PutSchedule(wanted.name, revision, wanted.source, made.spec, wanted.input, made.state, looked_at)
