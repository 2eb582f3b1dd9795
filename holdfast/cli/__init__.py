"""The command line: one file for each group of verbs, all of them thin.

Owns: the program's name, its verbs, their order and their panels.
Must not know: how anything is done; verbs ask the application or the client.
"""

from __future__ import annotations

from typing import Annotated, Final

import typer

from holdfast import __version__
from holdfast.cli import (
    auditing,
    capturing,
    contracts,
    delivering,
    demo,
    deploying,
    drifting,
    fleet,
    gathering,
    keeping,
    keys,
    linting,
    messages,
    moving,
    notifying,
    operating,
    pooling,
    repairing,
    replaying,
    runs,
    scheduling,
    serving,
    spending,
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

SERVE: Final = "Run it"
WORK: Final = "Work"
DOORS: Final = "What comes and goes by itself"
CODE: Final = "Change code"
FLEET: Final = "The fleet"
KEEP: Final = "Keys and upkeep"
"""Panels of `holdfast --help`, in their order."""

program.command(rich_help_panel=SERVE)(demo.demo)
program.command(rich_help_panel=SERVE)(serving.dev)
program.command(rich_help_panel=SERVE)(serving.controller)
program.command(rich_help_panel=SERVE)(serving.orchestrator)
program.command(rich_help_panel=SERVE)(serving.worker)
program.command(rich_help_panel=WORK)(starting.start)
program.command(rich_help_panel=WORK)(starting.submit)
program.command(rich_help_panel=WORK)(gathering.gather)
program.add_typer(runs.runs, name="runs", rich_help_panel=WORK)
operating.add_verbs(runs.runs)
program.command(rich_help_panel=WORK)(messages.signal)
program.command(rich_help_panel=WORK)(messages.query)
program.command(rich_help_panel=WORK)(messages.update)
program.add_typer(scheduling.schedules, name="schedules", rich_help_panel=DOORS)
program.add_typer(gathering.gatherings, name="gatherings", rich_help_panel=DOORS)
program.add_typer(delivering.deliveries, name="deliveries", rich_help_panel=DOORS)
program.add_typer(notifying.notices, name="notices", rich_help_panel=DOORS)
program.command(rich_help_panel=CODE)(replaying.replay)
program.add_typer(capturing.capture, name="capture", rich_help_panel=CODE)
program.command(rich_help_panel=CODE)(deploying.deploy_check)
program.command(rich_help_panel=CODE)(linting.lint)
program.add_typer(pooling.pools, name="pools", rich_help_panel=FLEET)
program.add_typer(contracts.contracts, name="contracts", rich_help_panel=FLEET)
program.add_typer(drifting.drift, name="drift", rich_help_panel=FLEET)
program.command(rich_help_panel=FLEET)(repairing.repair)
program.command(rich_help_panel=FLEET)(fleet.workers)
program.add_typer(fleet.locks, name="locks", rich_help_panel=FLEET)
program.add_typer(fleet.limits, name="limits", rich_help_panel=FLEET)
program.add_typer(spending.models, name="ai", rich_help_panel=FLEET)
program.add_typer(keys.keys, name="keys", rich_help_panel=KEEP)
program.command(rich_help_panel=KEEP)(auditing.audit)
program.add_typer(keeping.encryption, name="encryption", rich_help_panel=KEEP)
program.command(rich_help_panel=KEEP)(keeping.migrate)
program.command(rich_help_panel=KEEP)(keeping.verify)
program.command(rich_help_panel=KEEP)(keeping.prune)
program.command(rich_help_panel=KEEP)(moving.export_store)
program.command(rich_help_panel=KEEP)(moving.import_store)
program.command(rich_help_panel=KEEP)(keeping.doctor)


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
