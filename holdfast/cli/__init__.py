"""The command line: one file for each group of verbs, all of them thin.

Owns: the program's name, its verbs, their order and their panels.
Must not know: how anything is done; verbs ask the application or the client.
"""

from __future__ import annotations

from typing import Annotated, Final

import typer

from holdfast import __version__
from holdfast.cli.late import Verb, group_of

SERVE: Final = "Run it"
WORK: Final = "Work"
DOORS: Final = "What comes and goes by itself"
CODE: Final = "Change code"
FLEET: Final = "The fleet"
KEEP: Final = "Keys and upkeep"
"""Panels of `holdfast --help`, in their order."""

VERBS: Final = {
    "demo": Verb("demo:demo", SERVE),
    "dev": Verb("serving:dev", SERVE),
    "controller": Verb("serving:controller", SERVE),
    "orchestrator": Verb("serving:orchestrator", SERVE),
    "worker": Verb("serving:worker", SERVE),
    "start": Verb("starting:start", WORK),
    "submit": Verb("starting:submit", WORK),
    "gather": Verb("gathering:gather", WORK),
    "runs": Verb("leaving:runs", WORK),
    "signal": Verb("messages:signal", WORK),
    "query": Verb("messages:query", WORK),
    "update": Verb("messages:update", WORK),
    "schedules": Verb("scheduling:schedules", DOORS),
    "gatherings": Verb("gathering:gatherings", DOORS),
    "deliveries": Verb("delivering:deliveries", DOORS),
    "notices": Verb("notifying:notices", DOORS),
    "replay": Verb("replaying:replay", CODE),
    "capture": Verb("capturing:capture", CODE),
    "deploy-check": Verb("deploying:deploy_check", CODE),
    "lint": Verb("linting:lint", CODE),
    "pools": Verb("pooling:pools", FLEET),
    "drift": Verb("drifting:drift", FLEET),
    "contracts": Verb("contracts:contracts", FLEET),
    "repair": Verb("repairing:repair", FLEET),
    "workers": Verb("fleet:workers", FLEET),
    "locks": Verb("fleet:locks", FLEET),
    "limits": Verb("fleet:limits", FLEET),
    "ai": Verb("spending:models", FLEET),
    "keys": Verb("keys:keys", KEEP),
    "audit": Verb("auditing:audit", KEEP),
    "encryption": Verb("keeping:encryption", KEEP),
    "migrate": Verb("keeping:migrate", KEEP),
    "verify": Verb("keeping:verify", KEEP),
    "prune": Verb("keeping:prune", KEEP),
    "export-store": Verb("moving:export_store", KEEP),
    "import-store": Verb("moving:import_store", KEEP),
    "doctor": Verb("keeping:doctor", KEEP),
}
"""Every verb, in the order in which they are shown."""

program = typer.Typer(
    name="holdfast",
    cls=group_of(VERBS),
    help="Durable workflows: code that survives crashes, hangs and deploys.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
