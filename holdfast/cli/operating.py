"""`holdfast runs cancel`, `terminate`, `pause` and `resume`: operate runs."""

from __future__ import annotations

import getpass
import socket
from typing import Annotated

import typer

from holdfast.app import Client
from holdfast.cli.output import Output
from holdfast.cli.runs import RunArgument, run_fields
from holdfast.cli.verbs import JsonOption, StoreOption, with_client

ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it is recorded.")]


def cancel(run: RunArgument, reason: ReasonOption = "", store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Ask a run to stop; its code may clean up."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        await client.handle(run).cancel(reason)
        output.fields({"run_id": run, "accepted": "cancel"})

    with_client(output, store, body)


def terminate(
    run: RunArgument, reason: ReasonOption = "", store: StoreOption = None, as_json: JsonOption = False
) -> None:
    """End a run without asking its code."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        await client.handle(run).terminate(reason)
        output.fields({"run_id": run, "accepted": "terminate"})

    with_client(output, store, body)


def pause(run: RunArgument, reason: ReasonOption = "", store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Keep a run from moving until it is resumed."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        handle = client.handle(run)
        await handle.pause(reason, by=person())
        output.fields(run_fields(await handle.describe()))

    with_client(output, store, body)


def resume(run: RunArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Let a parked or paused run go on."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        handle = client.handle(run)
        await handle.resume()
        output.fields(run_fields(await handle.describe()))

    with_client(output, store, body)


def add_verbs(runs: typer.Typer) -> None:
    """Add the verbs of this file to `holdfast runs`."""
    for verb in (cancel, terminate, pause, resume):
        runs.command()(verb)


def person() -> str:
    """Return who sits at this terminal, as far as the machine knows."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        name = "somebody"
    return f"{name}@{socket.gethostname()}"
