"""What the demo looks like on a terminal.

Owns: its screen, from the search for documents to the proof.
Must not know: how the demo is run.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from holdfast.cli.output import Output, printable
from holdfast.cli.verbs import run_verb, shown
from holdfast.demo import Corpus, DocumentResult, Kill, Proof, Reference, ReportFiles, aggregate, collect, write_report
from holdfast.demo import Progress as Search
from holdfast.demo.performance import Plan, perform
from holdfast.errors import SettingsError


def run_demo(output: Output, documents: int, path: Path | None, workers: int, out: Path) -> tuple[Plan, Proof]:
    """Collect documents, run the demo and show it; return what was planned and what was proven."""
    folder = shown(output, lambda: _fresh(out))
    output.note(
        "[bold]Holdfast[/] processes real documents on this machine: orchestrator and "
        f"{workers} worker process{'es' if workers > 1 else ''} on one SQLite file."
    )
    corpus = shown(output, lambda: _collect(output, documents, path))
    plan = Plan(corpus, folder.absolute(), workers)
    stage = Stage(output, len(corpus.documents))
    with stage:
        proof, pairs = run_verb(output, lambda: perform(plan, stage))
    output.note("Writing the report …")
    report = write_report(aggregate(pairs), proof, folder)
    _show(output, proof, report, pairs)
    return plan, proof


def _fresh(folder: Path) -> Path:
    # Only ever a folder that a demo made is emptied.
    mark = folder / ".holdfast-demo"
    if folder.exists():
        if any(folder.iterdir()) and not mark.exists():
            raise SettingsError(f"{folder} holds something that is not a demo's", "Name another folder: --out FOLDER")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    mark.touch()
    return folder


def _collect(output: Output, documents: int, path: Path | None) -> Corpus:
    if output.as_json or not sys.stderr.isatty():
        corpus = collect(documents, path)
    else:
        with output.notes.status("Looking for documents …") as status:

            def progress(search: Search) -> None:
                status.update(f"Looking for documents … {search.found:,} in {escape(printable(search.place))}")

            corpus = collect(documents, path, on_progress=progress)
    output.note(escape(corpus.describe()))
    return corpus


class Stage:
    """Shows a run as it goes. Implements `holdfast.demo.performance.Spectator`."""

    def __init__(self, output: Output, count: int) -> None:
        """Show on `output`; `count` documents are expected."""
        self._output = output
        self._started = time.monotonic()
        self._plain = not output.notes.is_terminal
        self._said = 0
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("[dim]{task.fields[rate]}[/]"),
            TimeElapsedColumn(),
            console=output.notes,
            disable=output.as_json or self._plain,
        )
        self._bar = self._progress.add_task("documents", total=count, rate="")

    def __enter__(self) -> Self:
        """Begin to show."""
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop showing."""
        self._progress.stop()

    def working(self, workers: Sequence[int]) -> None:
        """See `Spectator`."""
        self._started = time.monotonic()
        self._say(f"workers started: {', '.join(f'pid {each}' for each in workers)}")

    def progress(self, done: int, count: int) -> None:
        """See `Spectator`."""
        seconds = max(time.monotonic() - self._started, 1e-9)
        self._progress.update(self._bar, completed=done, total=count, rate=f"{done / seconds:,.0f}/s")
        tenth = done * 10 // count if count else 0
        if self._plain and tenth > self._said:
            self._said = tenth
            self._output.note(f"  {done:,} of {count:,} documents, {done / seconds:,.0f}/s")

    def killing(self, kill: Kill) -> None:
        """See `Spectator`."""
        self._say(f"[red]kill -9 {kill.pid}[/] while it holds {kill.items_held} documents")

    def taken_over(self, kill: Kill, replacement: int) -> None:
        """See `Spectator`."""
        after = kill.taken_over_after_seconds or 0.0
        who = f"pid {kill.taken_over_by.rpartition(':')[2]}" if kill.taken_over_by else "the others"
        self._say(f"[green]taken over[/] by {who} after {after:.1f} s; pid {replacement} joins in its place")

    def _say(self, text: str) -> None:
        self._output.note(f"{time.monotonic() - self._started:6.1f} s  {text}")


def _show(output: Output, proof: Proof, report: ReportFiles, pairs: Sequence[tuple[Reference, DocumentResult]]) -> None:
    if output.as_json:
        output.value({"proof": proof, "holds": proof.holds, "report": str(report.html), "results": len(pairs)})
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(justify="right")
    table.add_column()
    good = "[green]ok[/]"
    bad = "[red]NOT OK[/]"
    same = proof.documents_in == proof.results_out
    table.add_row(
        "documents in", f"{proof.documents_in:,}", f"[dim]{proof.files:,} files, {proof.sections:,} sections[/]"
    )
    table.add_row("results out", f"{proof.results_out:,}", good if same else bad)
    table.add_row("effects twice", f"{proof.effects_twice:,}", bad if proof.effects_twice else good)
    table.add_row("runs lost", f"{proof.runs_lost:,}", bad if proof.runs_lost else good)
    table.add_row("workers killed", f"{len(proof.killed)}", "")
    table.add_row("time", f"{proof.seconds:.1f} s", f"[dim]{proof.documents_per_second:,.0f} documents/s[/]")
    estimate = f"[dim]estimated from a sample; {proof.speedup:.1f} times as long[/]"
    table.add_row("one after another", f"{proof.sequential_seconds_estimate:.1f} s", estimate)
    output.console.print(Panel(table, title="read back from the database", title_align="left", expand=False))
    output.console.print(f"report    {report.html}", markup=False)
    output.console.print(f"          {report.json}", markup=False)
    output.console.print(f"database  {proof.database}", markup=False)
    output.console.print(
        f"look      holdfast runs history {proof.run_id} --store sqlite:///{proof.database}", markup=False
    )
