"""`holdfast drift`: answers of hosts that are not as code expects them, and the runs parked under them."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

import typer

from holdfast.app import Client
from holdfast.cli.operating import person
from holdfast.cli.output import Exit, Output, time_of
from holdfast.cli.verbs import JsonOption, StoreOption, with_client
from holdfast.ports.operations import DriftRecord, SettleDrift

drift = typer.Typer(help="Answers of hosts that are not as code expects them.", no_args_is_help=True)

DriftArgument = Annotated[int, typer.Argument(metavar="DRIFT", help="A report's number.", min=1)]
PART: Final = 100
"""How many runs go on in one transaction."""


@drift.command("list")
def list_drifts(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List the reports, the newest first: what is called, and how many runs are parked."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        rows = [_fields(each) for each in await client.store.drifts()]
        output.rows(("drift", "state", "host", "endpoint", "contract", "runs", "parked", "first_seen"), rows)

    with_client(output, store, body)


@drift.command("show")
def show_drift(number: DriftArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Show what is expected, what was found instead, and who found it first."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        record = await _find(output, client, number)
        output.fields(
            {
                **_fields(record),
                "first_run": record.first_run,
                "settled_by": record.settled_by or None,
                "changes": [
                    {"path": each.path, "expected": each.expected, "found": each.found} for each in record.changes
                ],
            }
        )

    with_client(output, store, body)


@drift.command("resolve")
def resolve_drift(
    number: DriftArgument,
    rate: Annotated[float, typer.Option(min=0.1, max=100_000, help="How many runs go on a second, at most.")] = 1_000.0,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say that the code, or the host, was mended: calls are made again, and the parked runs go on."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        await _find(output, client, number)
        resumed, part = 0, max(1, min(PART, int(rate)))
        while True:
            (went_on,) = await client.store.write([SettleDrift(number, person(), part)])
            resumed += went_on
            if went_on < part:
                break
            await asyncio.sleep(part / rate)
        output.fields({"drift": number, "resumed": resumed})

    with_client(output, store, body)


async def _find(output: Output, client: Client, number: int) -> DriftRecord:
    found = next((each for each in await client.store.drifts() if each.drift == number), None)
    if found is None:
        output.note("there is none of this number: holdfast drift list")
        raise typer.Exit(Exit.NOT_FOUND)
    return found


def _fields(record: DriftRecord) -> dict[str, Any]:
    return {
        "drift": record.drift,
        "state": "open" if record.settled_at is None else "resolved",
        "host": record.host,
        "endpoint": record.endpoint,
        "contract": record.contract,
        "runs": record.runs,
        "parked": record.parked,
        "first_seen": time_of(record.first_seen),
    }
