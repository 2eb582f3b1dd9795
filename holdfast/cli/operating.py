"""`holdfast runs cancel`, `terminate`, `pause`, `resume` and `fork`: operate runs, one or many."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.markup import escape

from holdfast.app import Client
from holdfast.cli.filters import WhereOption, read_filter
from holdfast.cli.known import Known, ModuleOption
from holdfast.cli.output import Exit, Output
from holdfast.cli.payloads import read_json
from holdfast.cli.runs import run_fields, runs
from holdfast.cli.verbs import JsonOption, StoreOption, user, with_client
from holdfast.client import BULK_RUNS, check_overrides, meant
from holdfast.errors import HistoryError, LeaseError, PayloadError, RequestError, UsageError
from holdfast.ports.operations import RunFilter

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


@runs.command()
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


@runs.command()
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


@runs.command()
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


@runs.command()
def resume(
    run: OneOrMany = None,
    where: WhereOption = None,
    yes: YesOption = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a parked or paused run go on, or many."""
    _operate("resume", run, where, "", store, yes=yes, name=None, as_json=as_json)


@runs.command()
def fork(
    run: OneOrMany = None,
    *,
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
    where: WhereOption = None,
    yes: YesOption = False,
    module: ModuleOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start a run that begins with what another one recorded, or one for each of many."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        options: dict[str, Any] = {
            "override": _overrides(override or []),
            "code": code,
            "new_keys": new_keys,
            **({} if input is None else {"input": read_json(input)}),
        }
        _check_one_or_many("fork", run, where)
        if run is None:
            if id is not None:
                raise UsageError("--id names one run, and --where means many", "Leave --id out.")
            await _fork_many(output, client, where or [], at, options, Known(output, module), yes=yes)
            return
        await _check_results(client, run, options["override"], Known(output, module), output)
        forked = await client.fork(run, at, id=id, **options)
        begun = forked.begun
        output.fields(
            {
                "run_id": begun.run_id,
                "created": begun.created,
                "not_run_again": list(begun.recorded),
                "run_again": list(begun.again),
                "idempotency_keys": {step: key.partition(" ")[2] for step, key in begun.keys.items()},
            }
        )
        output.note(
            "[dim]not_run_again: their recorded results count. run_again: they were under way at the cut. Whatever "
            "is named in idempotency_keys and runs with an unchanged input does so under that key: it is not done "
            "twice.[/]"
        )

    with_client(output, store, body)


def person() -> str:
    """Return who sits at this terminal, as far as the machine knows."""
    return f"{user()}@{socket.gethostname()}"


def _overrides(given: list[str]) -> dict[str, Any]:
    found = {}
    for each in given:
        step, separator, value = each.partition("=")
        if not separator:
            raise UsageError(
                f"--override {each!r} gives no result", "Write --override STEP=JSON, such as charge#1=true."
            )
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
        _check_one_or_many(verb, run, where)
        if run is not None:
            await _operate_one(output, client, verb, run, reason)
        else:
            await _operate_many(output, client, verb, where or [], reason, yes=yes, name=name)

    with_client(output, store, body)


def _check_one_or_many(verb: str, run: str | None, where: list[str] | None) -> None:
    if (run is None) == (where is None):
        said = "names no run" if run is None else "names a run and, by --where, others"
        raise UsageError(f"the command {said}", f"Write holdfast runs {verb} RUN, or --where NAME=VALUE for many.")


async def _check_results(client: Client, run: str, override: dict[str, Any], known: Known, output: Output) -> None:
    """Check results that are put in place against the types of their steps, where these are known."""
    if not override:
        return
    recorded = await client.handle(run).history()
    encoded = {step: msgspec.json.encode(value) for step, value in override.items()}
    unknown = check_overrides(known.registry, [each.event for each in recorded], encoded)
    if unknown:
        output.note(f"[yellow]unchecked[/]  what {escape(', '.join(unknown))} returns is not known here: --module NAME")


async def _fork_many(
    output: Output, client: Client, where: list[str], at: str, options: dict[str, Any], known: Known, *, yes: bool
) -> None:
    wanted = read_filter(where)
    if not yes:
        output.fields({"verb": "fork", "runs": await client.engine.count(wanted, COUNTED_MAX)})
        output.note("nothing was done; with --yes each of them is forked")
        return
    forked: list[dict[str, str]] = []
    refused: list[dict[str, str]] = []
    for each in [each async for each in _matched(client, wanted)]:
        try:
            await _check_results(client, each, options["override"], known, output)
            fork = await client.fork(each, at, **options)
        except (RequestError, LeaseError, PayloadError, HistoryError) as error:
            refused.append({"run_id": each, "why": error.message()})
        else:
            forked.append({"run_id": each, "fork": fork.begun.run_id})
    output.fields({"verb": "fork", "done": len(forked), "forked": forked, "refused": refused})
    if refused:
        raise typer.Exit(Exit.REFUSED)


async def _matched(client: Client, wanted: RunFilter) -> AsyncIterator[str]:
    cursor: str | None = None
    while True:
        records, cursor = await client.runs(where=wanted, cursor=cursor, limit=BULK_RUNS)
        for each in records:
            yield each.run_id
        if cursor is None:
            return


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
