"""`holdfast gather` and `holdfast gatherings`: events that become one run."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from holdfast.app import Client
from holdfast.authoring import Batch, Debounce
from holdfast.cli.known import Known, ModuleOption
from holdfast.cli.output import Exit, Output, time_of
from holdfast.cli.payloads import read_json
from holdfast.cli.verbs import InputArgument, JsonOption, OnlyHere, StoreOption, with_client
from holdfast.errors import UsageError
from holdfast.ports.operations import GatheringRecord, HurryGathering

gatherings = typer.Typer(help="Events that wait for one another, and become one run.", no_args_is_help=True)

_GATHERING: Final = OnlyHere(
    "gathering of events", "Let one run take them as signals: holdfast start NAME --id ID --signal EVENT."
)
GatheringArgument = Annotated[int, typer.Argument(metavar="GATHERING", help="Its number.")]


def gather(  # noqa: PLR0917 - one for each word of the command line
    workflow: Annotated[str, typer.Argument(help="A workflow's name.")],
    event: InputArgument = None,
    key: Annotated[str, typer.Option("--key", help="Events of one key become one run.")] = "",
    debounce: Annotated[
        str | None,
        typer.Option("--debounce", metavar="TIME", help="Begin when no event came for so long, with the last one."),
    ] = None,
    at_most: Annotated[
        str | None,
        typer.Option("--at-most", metavar="TIME", help="With --debounce: so long after the first at the latest."),
    ] = None,
    batch: Annotated[
        int | None, typer.Option("--batch", metavar="N", help="Begin when there are so many events, with all of them.")
    ] = None,
    within: Annotated[
        str | None,
        typer.Option("--within", metavar="TIME", help="With --batch: so long after the first at the latest."),
    ] = None,
    event_id: Annotated[
        str | None, typer.Option("--id", help="Names the event; the same one again is added once.")
    ] = None,
    module: ModuleOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let an event wait for others, with which it becomes one run."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        known = Known(output, module)
        definition = known.workflow(workflow)
        value = read_json(event)
        if definition is not None and batch is None:
            value = known.value(definition, value)
        elif definition is not None:
            (value,) = known.value(definition, [value])
        gathered = await client.gather(
            workflow,
            value,
            key=key,
            debounce=None if debounce is None else Debounce(debounce, at_most),
            batch=None if batch is None else Batch(batch, _within(within)),
            event_id=event_id,
        )
        known.say_if_unchecked(f"the input of {workflow}")
        output.fields(
            {
                "gathering": gathered.gathering_id,
                "run_id": gathered.run_id,
                "due_at": time_of(gathered.due_at),
                "events": gathered.events,
            }
        )

    with_client(output, store, body, makes_store=True, only_here=_GATHERING)


@gatherings.command("list")
def list_gatherings(
    cursor: Annotated[str | None, typer.Option("--cursor", help="Where the page before ended.")] = None,
    limit: Annotated[int, typer.Option("--limit", help="How many at most.")] = 50,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """List events that wait for one another, and those that became runs, newest first."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        records, following = await client.store.gatherings(cursor, limit)
        columns = ("gathering", "workflow", "key", "state", "events", "due_at", "run_id")
        output.rows(columns, [_fields(each) for each in records], more={"next_cursor": following})

    with_client(output, store, body, only_here=_GATHERING)


@gatherings.command("begin")
def begin_gathering(gathering: GatheringArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Let the run of a gathering begin now, also one that was refused."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        (found,) = await client.store.write([HurryGathering(gathering)])
        record = await client.store.gathering(gathering)
        if record is None:
            raise UsageError(f"there is no gathering {gathering}", "See what there is: holdfast gatherings list")
        output.fields(_fields(record))
        if not found:
            output.note("its run has begun")
            raise typer.Exit(Exit.REFUSED)

    with_client(output, store, body, only_here=_GATHERING)


def _within(within: str | None) -> str:
    if within is None:
        raise UsageError("a batch waits for so long at the latest, and nobody says how long", "Such as --within 10s.")
    return within


def _fields(record: GatheringRecord) -> dict[str, Any]:
    return {
        "gathering": record.gathering_id,
        "workflow": record.workflow,
        "key": record.key,
        "state": record.state,
        "events": record.events,
        "size": record.size or None,
        "opened_at": time_of(record.opened_at),
        "due_at": time_of(record.due_at),
        "begun_at": time_of(record.begun_at),
        "run_id": record.run_id,
        "reason": record.reason or None,
    }
