"""The scheduler of a process, and the schedules that its code and settings say.

Owns: which those are, and wiring the scheduler.
Must not know: how schedules go forward.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, cast

import msgspec

from holdfast.app.settings import FILE_NAME, ScheduleSettings, Settings
from holdfast.authoring import Registry
from holdfast.authoring.schedules import define_spec, encode_spec
from holdfast.controller.schedules import Actor, Scheduler, Wanted, define_all
from holdfast.errors import DuplicateNameError, InputError, SettingsError, UnknownNameError
from holdfast.observe import Meters, logger
from holdfast.ports.program import Versioned
from holdfast.ports.schedules import KeptSchedule

if TYPE_CHECKING:
    from holdfast.ports.bus import Bus
    from holdfast.ports.engine import Engine
    from holdfast.ports.store import Store

log = logger("holdfast.app")


def wanted_schedules(registry: Registry, settings: Settings) -> list[Wanted]:
    """Return the schedules of code and settings.

    Raises:
        DefinitionError: one cannot be, or two share a name.
        SettingsError: the input of one does not fit its workflow.
    """
    found = {name: Wanted(name, each.spec, each.encode_input(), "code") for name, each in registry.schedules.items()}
    for name, each in settings.schedules.items():
        if name in found:
            where = f"{registry.schedules[name].where}; {FILE_NAME}"
            raise DuplicateNameError(f"two schedules are called {name!r}", where, "Give one another name.")
        spec = define_spec(name, FILE_NAME, each.wording())
        found[name] = Wanted(name, spec, _encode_input(registry, name, each), "config")
    return list(found.values())


async def open_scheduler(
    registry: Registry, settings: Settings, store: Store, bus: Bus, engine: Engine, meters: Meters
) -> Scheduler:
    """Put the schedules of code and settings into the store, and begin to act on all that are there.

    What comes of it is counted in `meters`.

    Raises:
        DefinitionError, SettingsError: as `wanted_schedules`.
    """
    wanted = wanted_schedules(registry, settings)
    for name in await define_all(store, wanted):
        log.info("schedule set up", schedule=name)
    _warn_of_slips(registry, settings)
    await _warn_of_forgotten(registry, store, {each.name for each in wanted})
    actor = Actor(store, engine, lambda name: cast("Versioned", registry.workflow(name)))
    scheduler = Scheduler(store, bus, actor, settings.poll_seconds, meters)
    await scheduler.open()
    return scheduler


async def set_up_schedules(registry: Registry, settings: Settings, engine: Engine) -> None:
    """Hand the schedules of code and settings to an engine that keeps schedules itself.

    Raises:
        DefinitionError, SettingsError: as `wanted_schedules`.
        NotOnEngineError: the engine has no schedules like one of them.
    """
    schedules = engine.schedules
    assert schedules is not None, "the engine keeps schedules"
    for each in wanted_schedules(registry, settings):
        if await schedules.put(KeptSchedule(each.name, each.source, encode_spec(each.spec), each.input)):
            log.info("schedule set up", schedule=each.name)
    _warn_of_slips(registry, settings)


def _warn_of_slips(registry: Registry, settings: Settings) -> None:
    """Say which schedules of the settings start what is not here, though code is: it is elsewhere, or misspelt."""
    known = [each for each in registry.workflows if not each.startswith("task:")]
    for name, each in settings.schedules.items():
        if known and each.workflow not in registry.workflows:
            meant = get_close_matches(each.workflow, registry.workflows, 1)
            log.warning(
                "a schedule's workflow is not in this process; its runs wait for one that has it",
                schedule=name,
                workflow=each.workflow,
                remedy=f"Did you mean {meant[0]!r}? Check {FILE_NAME}." if meant else f"Check {FILE_NAME}.",
            )


async def _warn_of_forgotten(registry: Registry, store: Store, wanted: set[str]) -> None:
    """Say which schedules code and settings do not say any more, as far as their workflows are here."""
    for record in await store.schedules():
        workflow = msgspec.json.decode(record.spec).get("workflow")
        if record.source != "api" and record.name not in wanted and workflow in registry.workflows:
            log.warning(
                "a schedule is not written down any more; it goes on until it is deleted",
                schedule=record.name,
                remedy=f"holdfast schedules delete {record.name}",
            )


def _encode_input(registry: Registry, name: str, each: ScheduleSettings) -> bytes:
    text = msgspec.json.encode(each.input)
    try:
        signature = registry.workflow(each.workflow).signature
    except UnknownNameError:
        return text  # its code is elsewhere, and looks at it there
    try:
        return signature.encode_call(*signature.decode_call(text))
    except InputError as error:
        raise SettingsError(f"[schedules.{name}] input: {error.message()}", f"Check {FILE_NAME}.") from None
