"""`holdfast runs move`: runs of the embedded engine go on on a Temporal cluster.

Owns: the verb, and what it tells of each run.
Must not know: how a run leaves.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from holdfast.app import Leaving, check_store, leaving, load_settings
from holdfast.cli.filters import WhereOption, read_filter
from holdfast.cli.operating import OneOrMany, YesOption
from holdfast.cli.output import Exit, Output
from holdfast.cli.runs import runs
from holdfast.cli.verbs import JsonOption, StoreOption, run_verb, user
from holdfast.client import BULK_RUNS
from holdfast.errors import HistoryError, PayloadError, RequestError, UsageError
from holdfast.ports.operations import RUNNING, RunFilter

__all__ = ["move", "runs"]

ToOption = Annotated[
    str,
    typer.Option(
        "--engine", metavar="URL", help="Where they go on: temporal://HOST:PORT/NAMESPACE.", show_default=False
    ),
]


@runs.command()
def move(
    run: OneOrMany = None,
    *,
    engine: ToOption,
    where: WhereOption = None,
    yes: YesOption = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a run go on on a Temporal cluster, or many: each ends here, and begins there with all that it recorded."""
    output = Output(as_json=as_json)
    if (run is None) == (where is None):
        raise UsageError("the command names no run, or too many", "Write holdfast runs move RUN, or --where for many.")

    async def body() -> None:
        settings = load_settings(store=store)
        check_store(settings)
        async with leaving(settings, engine, f"cli:{user()}") as mover:
            if run is not None:
                output.fields(msgspec.to_builtins(await mover.move(run)))
                output.note("[dim]recorded: does not run again. again: was under way, and runs under its old key.[/]")
            else:
                await _move_many(output, mover, read_filter(where or []), yes=yes)

    run_verb(output, body)


async def _move_many(output: Output, mover: Leaving, wanted: RunFilter, *, yes: bool) -> None:
    if not wanted.statuses:
        wanted = msgspec.structs.replace(wanted, statuses=(RUNNING,))
    # Who was killed in the middle of it has left some, whatever was wanted then.
    found = dict.fromkeys([each async for each in mover.begun()])
    cursor: str | None = None
    while True:
        records, cursor = await mover.here.runs(where=wanted, cursor=cursor, limit=BULK_RUNS)
        found |= dict.fromkeys(each.run_id for each in records)
        if cursor is None:
            break
    if not yes:
        output.fields({"verb": "move", "runs": len(found)})
        output.note("nothing was done; with --yes each of them is moved")
        return
    moved: list[str] = []
    refused: list[dict[str, str]] = []
    for each in found:
        try:
            await mover.move(each)
        except (RequestError, PayloadError, HistoryError) as error:
            refused.append({"run_id": each, "why": error.message()})
        else:
            moved.append(each)
    output.fields({"verb": "move", "done": len(moved), "moved": moved, "refused": refused})
    if refused:
        raise typer.Exit(Exit.REFUSED)
