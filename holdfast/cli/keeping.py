"""`holdfast migrate`, `verify`, `prune` and `doctor`: keep a system in order."""

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.app import (
    Client,
    TablesMade,
    examine_system,
    load_settings,
    make_key,
    make_tables,
    migrate_store,
    pending_migrations,
    verify_store,
)
from holdfast.authoring import read_duration
from holdfast.cli.output import Exit, Output
from holdfast.cli.verbs import BusOption, JsonOption, StoreOption, run_verb, shown, with_client
from holdfast.errors import UsageError
from holdfast.ports.operations import Prune, PruneAudit, PruneDeliveries, PruneGatherings, PruneKeys

encryption = typer.Typer(help="Keys that payloads are encrypted with.", no_args_is_help=True)


@encryption.command("new-key")
def new_encryption_key(as_json: JsonOption = False) -> None:
    """Make a key; it is shown this once, and nothing remembers it."""
    output = Output(as_json=as_json)
    output.fields({"key": make_key()})


def verify(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Check that what is stored is what was written; changes nothing."""
    output = Output(as_json=as_json)
    report = shown(output, lambda: verify_store(load_settings(store=store)))
    if output.as_json:
        output.value(report)
    else:
        for problem in report.problems:
            output.console.print(f"[red]damaged[/]  {problem}", markup=True)
        for note in report.notes:
            output.console.print(f"[yellow]not checked[/]  {note}", markup=True)
        output.fields(
            {
                "executions": report.executions,
                "events": report.events,
                "commits": report.commits,
                "problems": report.problem_count,
                "not covered": ", ".join(report.uncovered),
            }
        )
    if not report.ok:
        raise typer.Exit(Exit.FAILED)


def prune(
    older_than: Annotated[
        str,
        typer.Option(metavar="AGE", help="Runs that ended, and deliveries that came, longer ago than this: 30d, 12h."),
    ],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let go of histories of runs that ended long ago, old deliveries, events, audit entries; ids and results stay."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        before = await client.store.now() - read_duration(older_than, "--older-than")
        uncaptured = not load_settings(store=store).capture_failures
        runs = payloads = 0
        after: int | None = 0
        while after is not None:
            (pruned,) = await client.store.write([Prune(before, after, uncaptured=uncaptured)])
            runs, payloads, after = runs + pruned.executions, payloads + pruned.payloads, pruned.next_after
        entries = went = await _prune_audit(client, before)
        while went:
            went = await _prune_audit(client, before)
            entries += went
        deliveries = 0
        while forgotten := (await client.store.write([PruneDeliveries(before)]))[0]:
            deliveries += forgotten
        gatherings = 0
        while gone := (await client.store.write([PruneGatherings(before)]))[0]:
            gatherings += gone
        output.fields(
            {
                "executions": runs,
                "payloads": payloads,
                "deliveries": deliveries,
                "gatherings": gatherings,
                "audit entries": entries,
                "idempotency keys": await _prune_keys(client, before),
            }
        )

    with_client(output, store, body)


async def _prune_audit(client: Client, before: float) -> int:
    (went,) = await client.store.write([PruneAudit(before)])
    return int(went)


async def _prune_keys(client: Client, before: float) -> int:
    keys = 0
    after: int | None = 0
    while after is not None:
        (pruned,) = await client.store.write([PruneKeys(before, after)])
        keys, after = keys + pruned.keys, pruned.next_after
    return keys


def migrate(
    check: Annotated[bool, typer.Option("--check", help="Only say what is to be done; exit 1 if anything is.")] = False,
    outcomes: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Make the tables of `transaction` and `enqueue` in this database of yours instead: postgresql://..., "
            "sqlite:///PATH, or env:NAME or file:PATH where that is kept.",
        ),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring the tables of a PostgreSQL store up to date, or make them. A SQLite file does that by itself."""
    output = Output(as_json=as_json)
    if outcomes is not None:
        _migrate_beside(output, outcomes, check=check)
        return
    settings = shown(output, lambda: load_settings(store=store))

    async def body() -> tuple[str, ...]:
        if check:
            return await pending_migrations(settings)
        output.note(f"Migrating {settings.address().name} …")
        return await migrate_store(settings)

    names = run_verb(output, body)
    what = "pending" if check else "applied"
    output.fields({"store": settings.address().name, what: ", ".join(names) or "none: it is up to date"})
    if check and names:
        raise typer.Exit(Exit.FAILED)


def _migrate_beside(output: Output, database: str, *, check: bool) -> None:
    async def body() -> TablesMade:
        if check:
            raise UsageError("--check is about the store", "Leave it out: tables that are there stay as they are.")
        return await make_tables(database)

    made = run_verb(output, body)
    output.fields({"database": made.database, "tables": ", ".join(made.tables)})


def doctor(store: StoreOption = None, bus: BusOption = None, as_json: JsonOption = False) -> None:
    """Check versions, settings, the store, the bus and the fleet."""
    output = Output(as_json=as_json)
    findings = run_verb(output, lambda: examine_system(store=store, bus=bus))
    rows = [{"check": each.check, "ok": each.ok, "found": each.found} for each in findings]
    output.rows(("check", "ok", "found"), rows)
    if not all(each.ok for each in findings):
        raise typer.Exit(Exit.FAILED)
