"""`holdfast lint`: what `@workflow` would refuse, without importing anything; and what binds to the embedded engine."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from holdfast.authoring import Finding, bound_calls, lint_file, source_files
from holdfast.cli.output import Exit, Output
from holdfast.cli.verbs import JsonOption, shown


def lint(
    modules: Annotated[
        list[str], typer.Argument(metavar="MODULE...", help="Modules, packages, files or folders; they are only read.")
    ],
    portable: Annotated[
        bool,
        typer.Option("--portable", help="Warn of what Temporal does not have, too; for this modules are imported."),
    ] = False,
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
    bound = shown(output, lambda: _bound(modules)) if portable else []
    if as_json:
        output.value({"items": found, **({"bound": bound} if portable else {})})
    elif found or bound:
        rows = [
            {"severity": each.severity, "where": each.where, "call": each.call, "why": f"{each.why}\n{each.instead}"}
            for each in found
        ]
        rows += [{"severity": "warning", **each} for each in bound]
        output.rows(("severity", "where", "call", "why"), rows)
    if (strict and bound) or any(strict or each.severity == "error" for each in found):
        raise typer.Exit(Exit.FAILED)


def _bound(modules: list[str]) -> list[dict[str, str]]:
    """Return what of modules, and of the settings, there is not on Temporal."""
    # Imported here: without it nothing but the authoring layer is loaded, and nothing of theirs imported.
    from holdfast.app import load_settings, misfits
    from holdfast.cli.modules import load_registry

    why = "there is no such thing on Temporal: docs/how-to/temporal.md"
    found = misfits(load_settings(), load_registry(modules))
    files = dict.fromkeys(file.resolve() for module in modules for file in source_files(module))
    called = [each for file in files for each in bound_calls(str(file))]
    return [
        *({"where": each.where or "settings", "call": each.what, "why": why} for each in found),
        *({"where": each.where, "call": each.what, "why": why} for each in called),
    ]
