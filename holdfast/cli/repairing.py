"""`holdfast repair`: what could be done for runs that stand still, and what was tried before it is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from holdfast.app import Client, load_settings
from holdfast.cli.asking import ask_for_mappings, without_secrets
from holdfast.cli.mending import Wanted, mend
from holdfast.cli.modules import load_registry
from holdfast.cli.output import Exit, Output
from holdfast.cli.parts import RateOption
from holdfast.cli.verbs import JsonOption, OnlyHere, StoreOption, with_client
from holdfast.errors import SettingsError, UsageError
from holdfast.history import Exchange
from holdfast.http import LEARNED, propose_mappings
from holdfast.ports.contracts import Contract, decode_learned
from holdfast.ports.mappings import Step, decode_mapping, say_step
from holdfast.ports.operations import DriftRecord, ProposeMappings
from holdfast.replay import Proof, Proposal, find_drifted, prove, read_drifted, repair_drift

_REPAIR: Final = OnlyHere(
    "repair of a run", "Deploy code that fits, or begin again from an event: temporal workflow reset."
)


def repair(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN] [MODULE]...",
            help="A run that failed or is parked, unless --drift is given; and modules with workflows and tasks.",
            show_default=False,
        ),
    ] = None,
    *,
    drift: Annotated[
        int | None, typer.Option("--drift", metavar="DRIFT", help="A report's number.", min=1, show_default=False)
    ] = None,
    accept: Annotated[
        int | None,
        typer.Option("--accept", metavar="N", help="Apply the proposal of this number.", min=1, show_default=False),
    ] = None,
    change: Annotated[
        Path | None, typer.Option("--change", metavar="FILE", help="A change of your own as JSON, the only proposal.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Apply it to all runs that fared alike.")] = False,
    unproven: Annotated[bool, typer.Option("--unproven", help="Apply it although it is not proven.")] = False,
    rate: RateOption = 50.0,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Propose how runs that stand still can go on, and show on which runs each proposal was tried.

    Of a run: to do what failed again with the code on disk, another input, or a result for the step that failed. Of a
    drift: how answers of the new shape can be read as before. A proposal is made from one run and replayed on others
    that fared alike, against the answers that they were given; nobody is called. Ends with 1 when none holds.

    Nothing is applied without --accept; for a drift that is `holdfast drift accept`.
    """
    output = Output(as_json=as_json)
    given = names or []
    wanted = Wanted(accept, change, every, unproven, rate)

    async def body(client: Client) -> None:
        if drift is not None:
            if wanted != Wanted(rate=rate):
                raise UsageError("a drift is accepted by another verb", f"Write holdfast drift accept {drift}.")
            await _repair_drift(output, client, drift, given)
        elif not given:
            raise UsageError("the command names no run", "Write holdfast repair RUN, or holdfast repair --drift N.")
        else:
            await mend(output, client, given[0], given[1:], wanted)

    with_client(output, store, body, only_here=_REPAIR if drift is None else None)


async def _repair_drift(output: Output, client: Client, drift: int, modules: list[str]) -> None:
    record = await find_drift(output, client, drift)
    proposals = await proposals_for(output, client, record, modules)
    output.rows(
        ("proposal", "state", "mapping", "made_from", "proven", "refuted"),
        [_fields(number, each) for number, each in enumerate(proposals, 1)],
    )
    await client.store.write([ProposeMappings(drift, tuple(each.kept() for each in proposals))])
    for each in proposals:
        for run_id, problem in each.proof.refuted[:3]:
            output.note(f"{run_id}: {problem}")
    if not any(each.proof.holds for each in proposals):
        output.note(why_none(proposals))
        raise typer.Exit(Exit.FAILED)


async def find_drift(output: Output, client: Client, number: int) -> DriftRecord:
    """Return a report, or leave and say that there is none."""
    found = next((each for each in await client.store.drifts() if each.drift == number), None)
    if found is None:
        output.note("there is none of this number: holdfast drift list")
        raise typer.Exit(Exit.NOT_FOUND)
    return found


async def proposals_for(
    output: Output, client: Client, record: DriftRecord, modules: list[str] | None
) -> list[Proposal]:
    """Return what the rules, and then a model, propose for a report, tried on runs. Raises HoldfastError."""
    settings = load_settings()
    modules = modules or list(settings.modules)
    registry = load_registry(modules)
    histories = await read_drifted(client.store, record.drift)
    asked: list[tuple[Step, ...]] = []
    if settings.repair_model:
        call = find_drifted(record, (without_secrets(settings, each) for each in histories))
        asked = [] if call is None else await ask_for_mappings(settings, output, record, call)

    def propose(call: Exchange) -> list[tuple[Step, ...]]:
        try:
            by_rules = propose_mappings(record.changes, msgspec.json.decode(call.body))
        except msgspec.DecodeError:
            by_rules = []
        return [*by_rules, *(each for each in asked if each not in by_rules)]

    contract = await _contract_of(client, record)
    return repair_drift(record, histories, registry.workflow, propose, modules, contract)


async def proof_of(client: Client, record: DriftRecord, steps: tuple[Step, ...], modules: list[str] | None) -> Proof:
    """Return what comes of trying a mapping that somebody wrote. Raises HoldfastError."""
    modules = modules or list(load_settings().modules)
    registry = load_registry(modules)
    histories, contract = await read_drifted(client.store, record.drift), await _contract_of(client, record)
    return prove(record, steps, histories, registry.workflow, modules, contract)


async def _contract_of(client: Client, record: DriftRecord) -> Contract | None:
    """Return what was learned of the answers before, where that is what they break. Raises StoreError."""
    if not record.contract.startswith(LEARNED):
        return None
    found = await client.store.contract(record.host, record.endpoint)
    return None if found is None or not found.is_learned else decode_learned(found.body).contract


def read_mapping(path: Path) -> tuple[Step, ...]:
    """Return a mapping out of a file. Raises SettingsError."""
    try:
        return decode_mapping(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}", "Name a file with a mapping.") from None
    except ValueError as error:
        raise SettingsError(
            f"{path} holds no mapping: {error}", 'Write [{"type": "move", "source": "price.cents", "target": "cents"}].'
        ) from None


def why_none(proposals: list[Proposal]) -> str:
    """Say why nothing is proven."""
    if not proposals:
        return "nothing in the recorded answers can stand for what is expected: adapt the code, then drift resolve"
    if not any(each.proof.proven or each.proof.refuted for each in proposals):
        return "only one run was answered this way so far, and what is made from it proves nothing on it"
    return "none of these can be proven: adapt the code, then drift resolve"


def _fields(number: int, proposal: Proposal) -> dict[str, Any]:
    proof = proposal.proof
    return {
        "proposal": number,
        "state": "proven" if proof.holds else "unproven",
        "mapping": "; ".join(say_step(each) for each in proposal.steps),
        "made_from": proposal.made_from,
        "proven": len(proof.proven),
        "refuted": len(proof.refuted),
    }
