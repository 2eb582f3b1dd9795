"""`holdfast deploy-check`: whether the code on disk may be deployed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from holdfast.app import EMBEDDED, Client, Settings, capture_folder, load_settings, reading, recorded_elsewhere
from holdfast.cli.modules import ModulesArgument, load_registry
from holdfast.cli.output import Exit, Output
from holdfast.cli.verbs import JsonOption, StoreOption, run_verb
from holdfast.ports.operations import PARKED, PAUSED, RUNNING, RunFilter
from holdfast.replay import Checked, DeployCheck
from holdfast.replay.captures import CaptureFolder

OPEN = (RUNNING, PARKED, PAUSED)
PAGE = 500
"""How many runs of a cluster are listed at a time."""


def deploy_check(
    modules: ModulesArgument = None,
    captures: Annotated[
        list[Path] | None, typer.Option("--captures", metavar="FOLDER", help="A further folder of captures.")
    ] = None,
    workflow: Annotated[list[str] | None, typer.Option("--workflow", help="Only runs of this workflow.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also list what fits.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replay every open run and every capture against the code on disk; the store, or the cluster, is only read."""
    output = Output(as_json=as_json)

    async def body() -> bool:
        settings = load_settings(store=store)
        check = DeployCheck(load_registry(modules or list(settings.modules)), workflow or ())
        folders = [capture_folder(settings), *map(CaptureFolder, captures or [])]
        entries = [entry for folder in folders for entry in folder.entries()]
        checked: list[Checked] = []
        if settings.engine != EMBEDDED:
            await _check_elsewhere(settings, check, checked)
            checked += check.captures(entries)
            _show(output, checked, everything=everything)
            return any(each.breaks for each in checked)
        async with reading(settings) as opened:
            with _progress(output) as progress:
                bar = progress.add_task("replaying", total=await check.count(opened) + len(entries))
                async for each in check.runs(opened):
                    checked.append(each)
                    progress.advance(bar)
                for each in check.captures(entries):
                    checked.append(each)
                    progress.advance(bar)
        _show(output, checked, everything=everything)
        return any(each.breaks for each in checked)

    if run_verb(output, body):
        raise typer.Exit(Exit.FAILED)


async def _check_elsewhere(settings: Settings, check: DeployCheck, checked: list[Checked]) -> None:
    """Replay the open runs of a cluster."""
    async with await Client.connect(settings.store, engine=settings.engine) as client:
        cursor: str | None = None
        while True:
            records, cursor = await client.runs(where=RunFilter(statuses=OPEN), cursor=cursor, limit=PAGE)
            checked += [
                each async for each in check.elsewhere(records, lambda run_id: recorded_elsewhere(client, run_id))
            ]
            if cursor is None:
                return


def _progress(output: Output) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=output.notes,
        transient=True,
        disable=output.as_json or not output.notes.is_terminal,
    )


def _show(output: Output, checked: list[Checked], *, everything: bool) -> None:
    breaking = [each for each in checked if each.breaks]
    verdicts = dict(sorted(Counter(each.verdict for each in checked).items()))
    runs = [each for each in checked if each.kind == "run"]
    captures = [each for each in checked if each.kind != "run"]
    if output.as_json:
        counts = {"runs": len(runs), "captures": len(captures), "breaking": len(breaking), "verdicts": verdicts}
        output.rows((), map(_item, checked), more={"ok": not breaking, **counts})
        return
    listed = checked if everything else breaking
    if listed:
        output.rows(("run", "workflow", "verdict", "first divergence"), map(_row, listed))
    output.console.print(f"{_total(runs, 'open run')}; {_total(captures, 'capture')}")
    output.console.print(
        f"[red]{len(breaking):,} would break[/]" if breaking else "[green]nothing breaks[/]: this code may be deployed"
    )


def _total(checked: list[Checked], kind: str) -> str:
    verdicts = sorted(Counter(each.verdict for each in checked).items())
    words = ", ".join(f"{count:,} {verdict}" for verdict, count in verdicts)
    return f"{len(checked):,} {kind}{'' if len(checked) == 1 else 's'}" + (f" ({words})" if words else "")


def _item(checked: Checked) -> dict[str, Any]:
    item: dict[str, Any] = msgspec.to_builtins(checked)
    return item | {"breaks": checked.breaks}


def _row(checked: Checked) -> dict[str, Any]:
    return {
        "run": checked.run_id if checked.kind == "run" else f"{checked.run_id} (capture)",
        "workflow": checked.workflow,
        "verdict": checked.verdict,
        "first divergence": f"{checked.problem}\n{checked.where}".strip(),
    }
