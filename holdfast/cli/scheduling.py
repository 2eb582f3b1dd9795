"""`holdfast schedules`: what is started by itself, and when."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import msgspec
import typer

from holdfast.app import Client
from holdfast.authoring import write_duration
from holdfast.cli.known import Known, ModuleOption
from holdfast.cli.operating import person
from holdfast.cli.output import Output
from holdfast.cli.payloads import read_json
from holdfast.cli.verbs import InputArgument, JsonOption, StoreOption, with_client

if TYPE_CHECKING:
    from holdfast.authoring import Registry
    from holdfast.controller.schedules import Fired, KeptSchedules, ScheduleDocument, ScheduleService

schedules = typer.Typer(help="Schedules: what is started by itself, and when.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="The schedule's name.")]

_DURATIONS = ("every", "catch_up", "jitter", "timeout")
_COLUMNS = ("name", "workflow", "when", "next", "running", "fired", "skipped", "missed", "paused")


@schedules.command("list")
def list_schedules(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List the schedules, each with its next times."""
    output = Output(as_json=as_json)

    async def body(service: ScheduleService | KeptSchedules) -> None:
        found = (await service.all()).schedules
        rows = [msgspec.to_builtins(each) if output.as_json else _row(each) for each in found]
        output.rows(_COLUMNS, rows)

    _with_service(output, store, body)


@schedules.command("show")
def show_schedule(name: NameArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Show a schedule: its next ten times, what came of the last ones, what runs now, why it is paused."""
    output = Output(as_json=as_json)

    async def body(service: ScheduleService | KeptSchedules) -> None:
        _show(output, await service.show(name, payloads=True))

    _with_service(output, store, body)


@schedules.command("create")
def create_schedule(  # noqa: PLR0917 - one for each word of the command line
    name: NameArgument,
    workflow: Annotated[str, typer.Argument(help="The workflow's name; task:NAME for a task.")],
    input: InputArgument = None,
    cron: Annotated[
        list[str] | None,
        typer.Option("--cron", metavar="EXPRESSION", help="Such as '0 3 * * *'. As often as it takes."),
    ] = None,
    every: Annotated[str | None, typer.Option(metavar="DURATION", help="How far apart the times are: 15m.")] = None,
    at: Annotated[
        list[str] | None, typer.Option("--at", metavar="TIME", help="A single time, ISO 8601. As often as it takes.")
    ] = None,
    timezone: Annotated[str, typer.Option(metavar="ZONE", help="Of cron, and of times without an offset.")] = "UTC",
    anchor: Annotated[str | None, typer.Option(metavar="TIME", help="With --every: one of the times.")] = None,
    overlap: Annotated[str, typer.Option(help="While a run is open: skip, buffer_one, allow or cancel_old.")] = "skip",
    catch_up: Annotated[
        str, typer.Option(metavar="DURATION", help="How late a time may be acted on before it counts as missed.")
    ] = "1h",
    jitter: Annotated[str, typer.Option(metavar="DURATION", help="Each time is put off by up to this.")] = "0s",
    pause_on_failure: Annotated[
        bool, typer.Option("--pause-on-failure", help="Pause when a run fails or times out.")
    ] = False,
    start: Annotated[str | None, typer.Option(metavar="TIME", help="No time before this one counts.")] = None,
    end: Annotated[str | None, typer.Option(metavar="TIME", help="No time after this one counts.")] = None,
    run_timeout: Annotated[str | None, typer.Option(metavar="DURATION", help="How long each run may take.")] = None,
    module: ModuleOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a schedule, or change one that was created so. Other times count from now on."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        from holdfast.controller.schedules import ScheduleRequest

        known = Known(output, module)
        given = read_json(input)
        known.value(known.workflow(workflow), given)
        wanted = ScheduleRequest(
            workflow=workflow,
            cron=cron or None,
            every=every,
            at=at or None,
            timezone=timezone,
            input=given,
            anchor=anchor,
            overlap=overlap,
            catch_up=catch_up,
            jitter=jitter,
            pause_on_failure=pause_on_failure,
            start=start,
            end=end,
            timeout=run_timeout,
        )
        document, _ = await _service(client, known.registry).put(name, wanted)
        known.say_if_unchecked(f"the input of {workflow}")
        _show(output, document)

    with_client(output, store, body, makes_store=True)


@schedules.command("pause")
def pause_schedule(
    name: NameArgument,
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep a schedule from starting anything; times that come meanwhile are let go."""
    output = Output(as_json=as_json)

    async def body(service: ScheduleService | KeptSchedules) -> None:
        _show(output, await service.pause(name, person(), reason))

    _with_service(output, store, body)


@schedules.command("resume")
def resume_schedule(name: NameArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Let a schedule go on with the times that are yet to come."""
    output = Output(as_json=as_json)

    async def body(service: ScheduleService | KeptSchedules) -> None:
        _show(output, await service.resume(name))

    _with_service(output, store, body)


@schedules.command("backfill")
def backfill_schedule(
    name: NameArgument,
    start: Annotated[str, typer.Option("--from", metavar="TIME", help="First time, ISO 8601.")],
    end: Annotated[str, typer.Option("--to", metavar="TIME", help="Last time, ISO 8601.")],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start runs for times that are over; those that were started before are not started again."""
    output = Output(as_json=as_json)

    async def body(service: ScheduleService | KeptSchedules) -> None:
        from holdfast.controller.schedules import BackfillRequest

        output.fields(msgspec.to_builtins(await service.backfill(name, BackfillRequest(start=start, end=end))))

    _with_service(output, store, body)


@schedules.command("run")
def run_schedule(
    name: NameArgument,
    id: Annotated[str | None, typer.Option("--id", help="Names this wish: the same again is the same run.")] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start a run of a schedule now, as its overlap policy allows."""
    output = Output(as_json=as_json)

    async def body(service: ScheduleService | KeptSchedules) -> None:
        output.fields(msgspec.to_builtins(await service.run_now(name, id)))

    _with_service(output, store, body)


@schedules.command("delete")
def delete_schedule(name: NameArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Delete a schedule. Its runs stay; one that is in code comes back when a process with that code starts."""
    output = Output(as_json=as_json)

    async def body(service: ScheduleService | KeptSchedules) -> None:
        await service.delete(name)
        output.fields({"name": name, "deleted": True})

    _with_service(output, store, body)


def _service(client: Client, registry: Registry | None = None) -> ScheduleService | KeptSchedules:
    from holdfast.authoring import Registry
    from holdfast.controller.schedules import schedules_of

    return schedules_of(client.store, client.engine, registry or Registry(), lambda: uuid4().hex)


def _with_service(
    output: Output, store: str | None, body: Callable[[ScheduleService | KeptSchedules], Coroutine[Any, Any, None]]
) -> None:
    async def connected(client: Client) -> None:
        await body(_service(client))

    with_client(output, store, connected)


def _show(output: Output, document: ScheduleDocument) -> None:
    if output.as_json:
        output.value(document)
        return
    whole = msgspec.json.decode(msgspec.json.encode(document))
    values = {name: value for name, value in whole.items() if value not in (None, [], False)}
    fires = values.pop("fires", [])
    values |= {name: "\n".join(whole[name]) for name in ("cron", "at") if name in values}
    values |= {name: write_duration(whole[name]) for name in _DURATIONS if name in values}
    values["next"] = "\n".join(document.next)
    output.fields(values)
    if fires:
        assert isinstance(document.fires, list), "one schedule is shown with its fires"
        output.rows(("due", "outcome", "count", "run_id", "status", "words"), map(_fired, document.fires))


def _row(document: ScheduleDocument) -> dict[str, Any]:
    every = None if document.every is None else f"every {write_duration(document.every)}"
    return {
        "name": document.name,
        "workflow": document.workflow,
        "when": every or ", ".join(document.cron or document.at),
        "next": document.next[0] if document.next else None,
        "running": ", ".join(document.running),
        "fired": document.fired,
        "skipped": document.skipped,
        "missed": document.missed,
        "paused": None if document.paused is None else f"by {document.paused.by}: {document.paused.reason}",
    }


def _fired(fired: Fired) -> dict[str, Any]:
    return {
        "due": fired.due,
        "outcome": fired.outcome,
        "count": fired.count,
        "run_id": fired.run_id,
        "status": None if fired.run is None else fired.run.status,
        "words": fired.words,
    }
