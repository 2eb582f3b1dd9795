"""`holdfast export-store` and `import-store`: move live runs from SQLite to PostgreSQL.

Owns: the verbs, and that nothing but the stream is written to standard output.
Must not know: what travels.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer
from rich.console import Console

from holdfast.app import export_to, import_from, load_settings, take_back_export
from holdfast.cli.output import Output
from holdfast.cli.verbs import JsonOption, StoreOption, run_verb
from holdfast.errors import UsageError

STANDARD = "-"


def export_store(
    store: StoreOption = None,
    out: Annotated[str, typer.Option("--out", metavar="FILE", help="Where it goes; - is standard output.")] = STANDARD,
    take_back: Annotated[
        bool, typer.Option("--take-back", help="Export nothing; let a store be used again that was exported.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write everything in an SQLite store to a file or a pipe, to go on elsewhere; here it is closed from then on."""
    report = _Report(as_json=as_json)

    async def body() -> None:
        settings = load_settings(store=store)
        if take_back:
            await take_back_export(settings)
            report.say("this store can be used again")
        elif out == STANDARD:
            if sys.stdout.isatty():
                raise UsageError(
                    "an exported store is not for reading",
                    "Pipe it on: holdfast export-store | holdfast import-store --store URL; or: --out FILE",
                )
            report.total(await export_to(settings, sys.stdout.buffer, report.told))
        else:
            with _new(Path(out)) as file:
                report.total(await export_to(settings, file, report.told))

    run_verb(report.output, body)


def import_store(
    source: Annotated[str, typer.Argument(metavar="[FILE]", help="What was exported; - is standard input.")] = STANDARD,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write an exported store into an empty one on PostgreSQL, at once or not at all."""
    report = _Report(as_json=as_json)

    async def body() -> None:
        settings = load_settings(store=store)
        if source == STANDARD:
            report.total(await import_from(settings, sys.stdin.buffer, report.told))
            return
        with _old(Path(source)) as file:
            report.total(await import_from(settings, file, report.told))

    run_verb(report.output, body)


class _Report:
    """What is said of a move, on standard error: standard output may be the stream."""

    def __init__(self, *, as_json: bool) -> None:
        self.output = Output(as_json=as_json)
        self._console = Console(stderr=True, highlight=False)
        self._as_json = as_json
        self._tables: dict[str, int] = {}

    def told(self, table: str, rows: int) -> None:
        self._tables[table] = rows
        if rows and not self._as_json:
            self._console.print(f"{rows:>12,}  {table}")

    def total(self, rows: int) -> None:
        if self._as_json:
            self._print({"rows": rows, "tables": self._tables})
        else:
            self._console.print(f"{rows:>12,}  rows in all")

    def say(self, words: str) -> None:
        if not self._as_json:
            self._console.print(words)

    def _print(self, value: dict[str, Any]) -> None:
        self._console.print_json(data=value, indent=None)


def _old(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", "Name what export-store wrote.") from None


def _new(path: Path) -> BinaryIO:
    try:
        return path.open("xb")
    except OSError as error:
        raise UsageError(f"{path} cannot be made: {error.strerror}", "Name a file that is not there yet.") from None
