"""`holdfast repair RUN`: what could be done for a run that failed or is parked, tried before it is shown.

Owns: how proposals for a run are shown, and applying one, to it or to all that fared alike.
Must not know: how proposals are made and proven.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import msgspec
import typer

from holdfast.app import Client, load_settings
from holdfast.authoring import Registry, TaskDefinition
from holdfast.cli.asking import ask_for_changes
from holdfast.cli.modules import load_registry
from holdfast.cli.output import Exit, Output
from holdfast.errors import (
    HistoryError,
    LeaseError,
    PayloadError,
    RequestError,
    SettingsError,
    UnknownNameError,
    UsageError,
)
from holdfast.history import History
from holdfast.ports.operations import FAILED, PARKED, RunRecord
from holdfast.replay import (
    Change,
    RunProposal,
    Stuck,
    decode_change,
    edited_input,
    find_stuck,
    propose_changes,
    read_alike,
    read_run,
    repair_run,
    try_change,
)

ALL_MAX: Final = 10_000
"""To how many runs a change is applied by one command, at most."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be done with proposals."""

    accept: int | None = None
    change: Path | None = None
    every: bool = False
    unproven: bool = False
    rate: float = 0.0


async def mend(output: Output, client: Client, run_id: str, modules: list[str], wanted: Wanted) -> None:
    """Show what could be done for a run, or do it. Raises HoldfastError."""
    record = await client.handle(run_id).describe()
    if record.status not in (FAILED, PARKED):
        raise UsageError(f"run {run_id!r} is {record.status}", "Runs that failed or are parked can be repaired.")
    if record.parked.startswith("drift "):
        number = record.parked.removeprefix("drift ").partition(":")[0]
        raise UsageError(f"run {run_id!r} is parked under drift {number}", f"Write holdfast repair --drift {number}.")
    history = await read_run(client.store, record.execution_id)
    stuck = find_stuck(history)
    settings = load_settings()
    modules = modules or list(settings.modules)
    registry = load_registry(modules)
    alike = [each.history for each in await read_alike(client.store, record, stuck)]
    if wanted.change is not None:
        change = _read_change(wanted.change)
        proposals = [RunProposal(change, "", try_change(change, [history, *alike], registry.workflow, modules))]
    else:
        workflow, task = registry.workflow(record.workflow), _task(registry, stuck)
        changes = propose_changes(history, workflow, task)
        for each in await ask_for_changes(settings, output, history, workflow, task):
            if msgspec.json.encode(each) not in map(msgspec.json.encode, changes):
                changes.append(each)
        proposals = repair_run(history, alike, changes, registry.workflow, modules)
    if wanted.accept is None:
        _show(output, proposals)
        return
    if wanted.accept > len(proposals):
        raise UsageError(f"there is no proposal {wanted.accept}", f"See them: holdfast repair {run_id}")
    chosen = proposals[wanted.accept - 1]
    if not chosen.proof.holds and not wanted.unproven:
        first = "; ".join(f"{name}: {problem}" for name, problem in chosen.proof.refuted[:1]) or _ONLY_ONE
        raise SettingsError(f"proposal {wanted.accept} is not proven. {first}", "--unproven applies it all the same.")
    await _apply(output, client, record, history, stuck, chosen.change, wanted)


def _show(output: Output, proposals: list[RunProposal]) -> None:
    output.rows(
        ("proposal", "state", "change", "made_from", "proven", "refuted"),
        [_fields(number, each, as_json=output.as_json) for number, each in enumerate(proposals, 1)],
    )
    for each in proposals:
        for run_id, problem in each.proof.refuted[:3]:
            output.note(f"{run_id}: {problem}")
    if not any(each.proof.holds for each in proposals):
        tried = any(each.proof.proven or each.proof.refuted for each in proposals)
        output.note(_NONE_HOLDS if tried else _ONLY_ONE)
        raise typer.Exit(Exit.FAILED)


_NONE_HOLDS: Final = "none of these can be proven: adapt the code and try again, or write a --change of your own"
_ONLY_ONE: Final = "no other run fared alike, and what is made from one run proves nothing on it"


async def _apply(
    output: Output, client: Client, record: RunRecord, history: History, stuck: Stuck, change: Change, wanted: Wanted
) -> None:
    done: list[dict[str, str]] = []
    refused: list[dict[str, str]] = []

    async def one(record: RunRecord, history: History, stuck: Stuck) -> None:
        try:
            went_on = await _go_on(client, record, history, stuck, change)
        except (RequestError, LeaseError, PayloadError, HistoryError) as error:
            refused.append({"run_id": record.run_id, "why": error.message()})
        else:
            done.append({"run_id": record.run_id, "goes_on_as": went_on})

    await one(record, history, stuck)
    if wanted.every:
        for each in await read_alike(client.store, record, stuck, ALL_MAX):
            await asyncio.sleep(1 / wanted.rate)
            await one(each.record, each.history, each.stuck)
    output.fields({"change": change.words(), "done": done, "refused": refused})
    if refused:
        raise typer.Exit(Exit.REFUSED)


async def _go_on(client: Client, record: RunRecord, history: History, stuck: Stuck, change: Change) -> str:
    """Let a run go on with a change; return as which run it does. Done again, it is found done."""
    is_parked = record.status == PARKED
    if change.kind == "code" and is_parked:
        await client.handle(record.run_id).resume()
        return record.run_id
    digest = blake2b(msgspec.json.encode([record.execution, change]), digest_size=4).hexdigest()
    options: dict[str, Any] = {"id": f"{record.run_id}-repair-{digest}"}
    at = stuck.step or str(stuck.event)
    match change.kind:
        case "input":
            payload = history.started.input
            assert isinstance(payload, bytes), "the history is whole"
            at, options["input"] = "start", msgspec.json.decode(edited_input(change, payload))
        case "result":
            options["override"] = {stuck.step: msgspec.json.decode(bytes(change.result))}
        case _:
            pass
    fork = await client.fork(record.execution, at, **options)
    if is_parked:  # of the two, one goes on
        await client.handle(record.run_id).terminate(f"repaired: it goes on as {fork.begun.run_id}")
    return fork.begun.run_id


def _task(registry: Registry, stuck: Stuck) -> TaskDefinition[Any, Any] | None:
    try:
        return registry.task(stuck.task) if stuck.task else None
    except UnknownNameError:
        return None


def _read_change(path: Path) -> Change:
    try:
        return decode_change(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}", "Name a file with a change.") from None
    except ValueError as error:
        raise SettingsError(
            f"{path} holds no change: {error}",
            'Write {"kind": "result", "result": null}, or take one that --json shows.',
        ) from None


def _fields(number: int, proposal: RunProposal, *, as_json: bool) -> dict[str, Any]:
    proof, change = proposal.proof, proposal.change
    return {
        "proposal": number,
        "state": "proven" if proof.holds else "unproven",
        "change": msgspec.json.decode(msgspec.json.encode(change)) if as_json else change.words(),
        "made_from": proposal.made_from,
        "proven": len(proof.proven),
        "refuted": len(proof.refuted),
    }
