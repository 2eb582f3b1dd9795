"""`holdfast replay`: one history against the code on disk."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from holdfast.app import EMBEDDED, Client, check_store, load_codec, load_settings, recorded_elsewhere
from holdfast.authoring import Registry, WorkflowDefinition
from holdfast.cli.modules import load_registry
from holdfast.cli.output import Exit, Output, printable
from holdfast.cli.verbs import JsonOption, StoreOption, run_verb, shown
from holdfast.client import read_outcomes
from holdfast.history import History
from holdfast.replay import ReplayResult, Side, Verdict, WorkflowReplayer, load_history
from holdfast.replay.captures import read_exchanges

_STYLES = {
    Verdict.IDENTICAL: "green",
    Verdict.COMPATIBLE_NEW_TAIL: "green",
    Verdict.DIVERGED: "red",
    Verdict.PAYLOAD_INCOMPATIBLE: "red",
}


def replay(
    source: Annotated[
        str, typer.Argument(metavar="FILE_OR_RUN_ID", help="A history in a file, or a run in the store.")
    ],
    module: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MODULE]...", help="Modules with workflows and tasks.", show_default=False),
    ] = None,
    rerun_failed: Annotated[
        bool, typer.Option("--rerun-failed", help="Run what failed, and all beyond it, with today's code.")
    ] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replay a history against the code on disk, and show where the two differ.

    Ends with 0 when the code fits (IDENTICAL, COMPATIBLE_NEW_TAIL), with 1 when it does not (DIVERGED,
    PAYLOAD_INCOMPATIBLE), with 2 when the file is no history.
    """
    output = Output(as_json=as_json)
    history = _history(output, source, store)

    def body() -> tuple[WorkflowDefinition[Any, Any], ReplayResult]:
        registry: Registry = load_registry(module or list(load_settings().modules))
        definition = registry.workflow(history.started.workflow)
        replayer = WorkflowReplayer(
            definition, tasks="rerun-failed" if rerun_failed else "recorded", modules=module or ()
        )
        return definition, replayer.replay(history)

    definition, result = shown(output, body)
    if output.as_json:
        output.value(_fields(definition, result))
    else:
        _show(output, result)
    if result.verdict in (Verdict.DIVERGED, Verdict.PAYLOAD_INCOMPATIBLE):
        raise typer.Exit(Exit.FAILED)


def _history(output: Output, source: str, store: str | None) -> History:
    if Path(source).is_file() or source.endswith(".json") or os.sep in source:
        return shown(output, lambda: load_history(source, codec=load_codec(load_settings().encryption_keys)))

    async def body() -> History:
        settings = load_settings(store=store)
        check_store(settings)
        async with await Client.connect(settings.store) as client:
            if settings.engine != EMBEDDED:
                return await recorded_elsewhere(client, source)
            handle = client.handle(source)
            recorded = await handle.history()
            execution_id = (await handle.describe()).execution_id
            outcomes = await read_outcomes(client.store, execution_id)
            exchanges = await read_exchanges(client.store, execution_id)
            return History([each.event for each in recorded], outcomes, exchanges=exchanges)

    return run_verb(output, body)


def _fields(definition: WorkflowDefinition[Any, Any], result: ReplayResult) -> dict[str, Any]:
    fields: dict[str, Any] = {
        name: getattr(result, name)
        for name in (
            "run_id",
            "execution",
            "workflow",
            "status",
            "verdict",
            "recorded_status",
            "matches_production",
            "events",
            "waits_for",
            "ran",
            "leftover",
            "warnings",
        )
    }
    if result.status == "COMPLETED":
        fields["result"] = msgspec.json.decode(definition.encode_result(result.output))
    if result.failure is not None:
        fields["error"] = {"type": result.failure.type, "message": result.failure.message}
    fields["divergences"] = [asdict(each) for each in result.divergences]
    fields["payload_problems"] = [asdict(each) for each in result.payload_problems]
    return fields


def _show(output: Output, result: ReplayResult) -> None:
    say = output.console.print
    style = _STYLES[result.verdict]
    ended = f"{result.status}, in production {result.recorded_status}"
    say(f"[{style}]{result.verdict}[/]  run {escape(repr(result.run_id))} of {escape(result.workflow)}: {ended}")
    if result.rows:
        say(_table(result))
    for problem in result.payload_problems:
        what = f"event {problem.event_id}: {problem.what} does not fit: {problem.problem}  ({problem.where})"
        say(escape(printable(what)))
    for each in result.divergences:
        say(escape(printable(f"event {each.event_id}: {each.kind}  ({each.where})\n  {each.hint}")))
    for step in dict.fromkeys(result.ran):
        say(f"ran {escape(step)}, {result.ran.count(step)} attempt(s)")
    for name, facts in (("not used", result.leftover), ("warning", result.warnings)):
        for fact in facts:
            say(escape(printable(f"{name}: {fact}")))


def _table(result: ReplayResult) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("", "event", "recorded", "attempted", ""):
        table.add_column(column, overflow="fold")
    for row in result.rows:
        mark = "[red]![/]" if row.kind else " "
        event = "" if row.event_id is None else str(row.event_id)
        table.add_row(mark, event, _cell(row.recorded), _cell(row.attempted), f"[red]{row.kind}[/]" if row.kind else "")
    return table


def _cell(side: Side | None) -> str:
    return "[dim]-[/]" if side is None else escape(printable(side.words))
