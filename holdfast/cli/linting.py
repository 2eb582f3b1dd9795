"""`holdfast lint`: what `@workflow` would refuse, without importing anything."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from holdfast.authoring import Finding, lint_file, source_files
from holdfast.cli.output import Exit, Output
from holdfast.cli.verbs import JsonOption, shown


def lint(
    modules: Annotated[
        list[str], typer.Argument(metavar="MODULE...", help="Modules, packages, files or folders; they are only read.")
    ],
    strict: Annotated[bool, typer.Option("--strict", help="Fail on warnings too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Find workflow code that a replay would answer differently.

    Ends with 1 when there are errors (with --strict: or warnings), with 2 when a module cannot be read.
    A line that is right as it stands says so in a comment: # holdfast: allow REASON
    """
    output = Output(as_json=as_json)
    if "" not in sys.path:
        sys.path.insert(0, "")  # as if it were run here

    def body() -> list[Finding]:
        files = dict.fromkeys(file.resolve() for module in modules for file in source_files(module))
        return [finding for file in files for finding in lint_file(file)]

    found = shown(output, body)
    if as_json:
        output.value({"items": found})
    elif found:
        rows = [
            {"severity": each.severity, "where": each.where, "call": each.call, "why": f"{each.why}\n{each.instead}"}
            for each in found
        ]
        output.rows(("severity", "where", "call", "why"), rows)
    if any(strict or each.severity == "error" for each in found):
        raise typer.Exit(Exit.FAILED)
