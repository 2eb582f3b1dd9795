"""`holdfast demo`: ten thousand real documents, and a worker that is killed on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.output import Exit, Output
from holdfast.cli.verbs import JsonOption

FOLDER = Path("holdfast-demo")


def demo(
    path: Annotated[Path | None, typer.Argument(help="Take every text file under PATH.", show_default=False)] = None,
    documents: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many documents.")] = 10_000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="How many worker processes.")] = 2,
    out: Annotated[Path, typer.Option(help="Folder for database, report and logs; emptied first.")] = FOLDER,
    serve: Annotated[
        bool, typer.Option("--serve", help="Keep API and dashboard up afterwards, with the run open.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Process ten thousand real documents, kill a worker on the way, and prove that nothing was lost."""
    # Imported here: the other verbs need none of it.
    from holdfast.cli.serving import keep_serving
    from holdfast.cli.stage import run_demo

    output = Output(as_json=as_json)
    plan, proof = run_demo(output, documents, path, workers, out)
    if serve:
        output.note("API and dashboard stay up; stop them with Ctrl-C.")
        keep_serving(output, ["holdfast.demo.job"], plan.store, f"/runs/{proof.run_id}#timeline")
    if not proof.holds:
        raise typer.Exit(Exit.FAILED)
