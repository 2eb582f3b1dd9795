"""The command line: one file for each group of verbs, all of them thin.

Owns: the program's name, its verbs and their order.
Must not know: how anything is done; verbs ask the application or the client.
"""

from __future__ import annotations

from typing import Annotated

import typer

from holdfast import __version__
from holdfast.cli import (
    auditing,
    capturing,
    delivering,
    demo,
    deploying,
    fleet,
    keeping,
    keys,
    linting,
    messages,
    notifying,
    operating,
    replaying,
    runs,
    scheduling,
    serving,
    starting,
)

program = typer.Typer(
    name="holdfast",
    help="Durable workflows: code that survives crashes, hangs and deploys.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

program.command()(demo.demo)
program.command()(serving.dev)
program.command()(serving.controller)
program.command()(serving.orchestrator)
program.command()(serving.worker)
program.command()(starting.start)
program.command()(starting.submit)
program.add_typer(runs.runs, name="runs")
operating.add_verbs(runs.runs)
program.command()(messages.signal)
program.command()(messages.query)
program.command()(messages.update)
program.command()(replaying.replay)
program.command()(fleet.pools)
program.command()(fleet.workers)
program.add_typer(fleet.locks, name="locks")
program.add_typer(fleet.limits, name="limits")
program.add_typer(delivering.deliveries, name="deliveries")
program.add_typer(capturing.capture, name="capture")
program.add_typer(notifying.notices, name="notices")
program.command()(deploying.deploy_check)
program.command()(linting.lint)
program.add_typer(scheduling.schedules, name="schedules")
program.add_typer(keys.keys, name="keys")
program.command()(auditing.audit)
program.add_typer(keeping.encryption, name="encryption")
program.command()(keeping.verify)
program.command()(keeping.prune)
program.command()(keeping.doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"holdfast {__version__}")
        raise typer.Exit


@program.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Durable workflows: code that survives crashes, hangs and deploys."""


def main() -> None:
    """Run the command line."""
    program()
