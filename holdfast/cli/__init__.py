"""The command line: one file for each group of verbs, all of them thin.

Owns: the program's name, its verbs, their order and their panels.
Must not know: how anything is done; verbs ask the application or the client.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
from typing import Annotated, Final, NoReturn

import typer

from holdfast import __version__
from holdfast.cli.late import Verb, group_of

CLUSTER_SDK: Final = "temporalio"
"""A package whose threads outlive what was done with it."""
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
    try:
        program()
    except SystemExit as ending:
        if CLUSTER_SDK in sys.modules:
            _end_at_once(ending.code)
        raise


def _end_at_once(code: int | str | None) -> NoReturn:
    """End without taking the interpreter apart.

    Threads of the cluster's SDK, which nothing closes, may hand something over to Python just then. That aborts the
    process, after all was done, with a status that says the contrary.
    """
    if isinstance(code, str):
        print(code, file=sys.stderr)  # noqa: T201 - as Python itself does with such a code
    atexit._run_exitfuncs()  # noqa: SLF001 - there is no public name
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))
