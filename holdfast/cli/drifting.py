"""`holdfast drift`: answers of hosts that are not as code expects them, and the runs parked under them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from holdfast.app import Client
from holdfast.cli.operating import person
from holdfast.cli.output import Output, time_of
from holdfast.cli.parts import RateOption, in_parts
from holdfast.cli.repairing import find_drift, proof_of, proposals_for, read_mapping, why_none
from holdfast.cli.verbs import JsonOption, StoreOption, with_client
from holdfast.errors import SettingsError
from holdfast.ports.mappings import Step, say_step
from holdfast.ports.operations import DriftRecord, SettleDrift

drift = typer.Typer(help="Answers of hosts that are not as code expects them.", no_args_is_help=True)

DriftArgument = Annotated[int, typer.Argument(metavar="DRIFT", help="A report's number.", min=1)]


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
        record = await find_drift(output, client, number)
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
    rate: RateOption = 1_000.0,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say that the code, or the host, was mended: calls are made again, and the parked runs go on."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        await find_drift(output, client, number)
        output.fields({"drift": number, "resumed": await _settle(client, number, rate)})

    with_client(output, store, body)


@drift.command("accept")
def accept_drift(
    number: DriftArgument,
    module: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MODULE]...", help="Modules with workflows and tasks.", show_default=False),
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A mapping as JSON, instead of the first proposal that is proven."),
    ] = None,
    unproven: Annotated[bool, typer.Option("--unproven", help="Take the mapping although it is not proven.")] = False,
    rate: RateOption = 1_000.0,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read answers of the new shape by a mapping from now on, and let the parked runs go on.

    The mapping is one that `holdfast repair --drift` proposes, or one of your own. It is replayed first, on runs that
    it was not made from; one that is not proven is refused. The audit log keeps who accepted what.
    """
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        record = await find_drift(output, client, number)
        if record.settled_at is not None:
            raise SettingsError(f"drift {number} is settled", "See what is open: holdfast drift list")
        if mapping is None:
            proposals = await proposals_for(output, client, record, module)
            if not proposals or not proposals[0].proof.holds:
                raise SettingsError(why_none(proposals), f"See what was tried: holdfast repair --drift {number}")
            steps, proof = proposals[0].steps, proposals[0].proof
        else:
            steps = read_mapping(mapping)
            proof = await proof_of(client, record, steps, module)
        if not proof.holds and not unproven:
            first = "; ".join(f"{run_id}: {problem}" for run_id, problem in proof.refuted[:1])
            raise SettingsError(f"the mapping is not proven. {first}", "--unproven takes it all the same.")
        resumed = await _settle(client, number, rate, steps)
        words = "; ".join(say_step(each) for each in steps)
        output.fields({"drift": number, "mapping": words, "proven": len(proof.proven), "resumed": resumed})

    with_client(output, store, body)


async def _settle(client: Client, number: int, rate: float, mapping: tuple[Step, ...] = ()) -> int:
    """Let calls be made again, and parked runs go on at a bounded rate; return how many did."""
    return await in_parts(client, rate, lambda part: SettleDrift(number, person(), part, mapping))


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
