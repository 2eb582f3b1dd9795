"""`holdfast runs cancel`, `terminate`, `pause`, `resume` and `fork`: operate runs, one or many."""

from __future__ import annotations

import socket
from typing import Annotated, Any, Final

import typer

from holdfast.app import Client
from holdfast.cli.filters import WhereOption, read_filter
from holdfast.cli.output import Exit, Output
from holdfast.cli.payloads import read_json
from holdfast.cli.runs import RunArgument, run_fields
from holdfast.cli.verbs import JsonOption, StoreOption, user, with_client
from holdfast.client import meant
from holdfast.errors import InputError

COUNTED_MAX: Final = 100_000
"""A preview counts no further than this."""

OneOrMany = Annotated[
    str | None, typer.Argument(metavar="[RUN]", help="A run id; or --where, for many.", show_default=False)
]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it is recorded.")]
YesOption = Annotated[bool, typer.Option("--yes", help="With --where: do it, instead of saying to how many runs.")]
NameOption = Annotated[
    str | None,
    typer.Option(
        "--name", help="With --where: names all of it; given again, nobody is told twice.", show_default=False
    ),
]


def cancel(
    run: OneOrMany = None,
    where: WhereOption = None,
    reason: ReasonOption = "",
    yes: YesOption = False,
    name: NameOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask a run to stop, or many; its code may clean up."""
    _operate("cancel", run, where, reason, store, yes=yes, name=name, as_json=as_json)


def terminate(
    run: OneOrMany = None,
    where: WhereOption = None,
    reason: ReasonOption = "",
    yes: YesOption = False,
    name: NameOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a run without asking its code, or many."""
    _operate("terminate", run, where, reason, store, yes=yes, name=name, as_json=as_json)


def pause(
    run: OneOrMany = None,
    where: WhereOption = None,
    reason: ReasonOption = "",
    yes: YesOption = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep a run, or many, from moving until they are resumed."""
    _operate("pause", run, where, reason, store, yes=yes, name=None, as_json=as_json)


def resume(
    run: OneOrMany = None,
    where: WhereOption = None,
    yes: YesOption = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a parked or paused run go on, or many."""
    _operate("resume", run, where, "", store, yes=yes, name=None, as_json=as_json)


def fork(  # noqa: PLR0917 - one for each option
    run: RunArgument,
    at: Annotated[str, typer.Option("--at", help="start, a step such as charge#1, or the id of the last event kept.")],
    override: Annotated[
        list[str] | None,
        typer.Option("--override", metavar="STEP=JSON", help="Record this result of a step.", show_default=False),
    ] = None,
    input: Annotated[
        str | None, typer.Option("--input", metavar="JSON", help="Another input; only with --at start.")
    ] = None,
    code: Annotated[str | None, typer.Option("--code", help="Code version to record.", show_default=False)] = None,
    id: Annotated[str | None, typer.Option("--id", help="The new run's id.", show_default=False)] = None,
    new_keys: Annotated[bool, typer.Option("--new-keys", help="Give every step a new idempotency key.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start a run that begins with what another one recorded."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        options: dict[str, Any] = {} if input is None else {"input": read_json(input)}
        forked = await client.fork(
            run, at, override=_overrides(override or []), code=code, id=id, new_keys=new_keys, **options
        )
        output.fields(
            {
                "run_id": forked.begun.run_id,
                "created": forked.begun.created,
                "recorded": list(forked.begun.recorded),
                "again": list(forked.begun.again),
                "keys": {step: key.partition(" ")[2] for step, key in forked.begun.keys.items()},
            }
        )

    with_client(output, store, body)


def add_verbs(runs: typer.Typer) -> None:
    """Add the verbs of this file to `holdfast runs`."""
    for verb in (cancel, terminate, pause, resume, fork):
        runs.command()(verb)


def person() -> str:
    """Return who sits at this terminal, as far as the machine knows."""
    return f"{user()}@{socket.gethostname()}"


def _overrides(given: list[str]) -> dict[str, Any]:
    found = {}
    for each in given:
        step, separator, value = each.partition("=")
        if not separator:
            raise InputError("--override", ((each, "expected STEP=JSON"),))
        found[step] = read_json(value)
    return found


def _operate(
    verb: str,
    run: str | None,
    where: list[str] | None,
    reason: str,
    store: str | None,
    *,
    yes: bool,
    name: str | None,
    as_json: bool,
) -> None:
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        if (run is None) == (where is None):
            raise InputError("the command", (("", "expected one of RUN and --where"),))
        if run is not None:
            await _operate_one(output, client, verb, run, reason)
        else:
            await _operate_many(output, client, verb, where or [], reason, yes=yes, name=name)

    with_client(output, store, body)


async def _operate_one(output: Output, client: Client, verb: str, run: str, reason: str) -> None:
    handle = client.handle(run)
    match verb:
        case "pause":
            await handle.pause(reason, by=person())
        case "resume":
            await handle.resume()
        case "cancel":
            await handle.cancel(reason)
        case _:
            await handle.terminate(reason)
    if verb in {"pause", "resume"}:
        output.fields(run_fields(await handle.describe()))
    else:
        output.fields({"run_id": run, "accepted": verb})


async def _operate_many(
    output: Output, client: Client, verb: str, where: list[str], reason: str, *, yes: bool, name: str | None
) -> None:
    wanted = read_filter(where)
    if not yes:
        matched = await client.engine.count(meant(verb, wanted), COUNTED_MAX)
        output.fields({"verb": verb, "runs": matched})
        output.note(f"nothing was done; with --yes {verb} goes to them")
        return
    done = 0
    refused: list[tuple[str, str]] = []
    async for page in client.bulk(verb, wanted, reason=reason, by=person(), operation_id=name):
        done += len(page.done)
        refused += page.refused
        if page.next is not None:
            output.note(f"{done:,} done")
    output.fields({"verb": verb, "done": done, "refused": [{"run_id": each, "why": why} for each, why in refused]})
    if refused:
        raise typer.Exit(Exit.REFUSED)
