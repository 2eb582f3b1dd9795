"""`holdfast runs`: look at runs. How they are operated: `operating`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from holdfast.app import Client, recorded_elsewhere
from holdfast.cli.durations import WaitTimeOption
from holdfast.cli.filters import WhereOption, read_filter
from holdfast.cli.output import Exit, Output, printable, time_of
from holdfast.cli.verbs import JsonOption, StoreOption, is_elsewhere, with_client
from holdfast.client import RunHandle, decode_outcome, read_outcomes
from holdfast.errors import SettingsError, UsageError
from holdfast.history import FILE_PLACE, BlobRef, History, decode_attributes, to_json
from holdfast.history.temporal import to_temporal
from holdfast.ports.engine import Cause, RecordedEvent, decode_end, decode_memo
from holdfast.ports.operations import PAUSED, TERMINAL, RunRecord

runs = typer.Typer(help="Look at runs, and operate them.", no_args_is_help=True)

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run id.")]
_PAYLOAD_CHARACTERS = 100


class Form(StrEnum):
    """In whose words a history is written."""

    HOLDFAST = "holdfast"
    TEMPORAL = "temporal"
    TEMPORAL_SDK = "temporal-sdk"


def run_fields(record: RunRecord) -> dict[str, Any]:
    """Return a run as it is shown."""
    shown: dict[str, Any] = {
        "run_id": record.run_id,
        "execution": record.execution,
        "workflow": record.workflow,
        "status": record.status,
        "created_at": time_of(record.created_at),
        "closed_at": time_of(record.closed_at),
    }
    if record.starts_at:
        shown["start_at"] = time_of(record.starts_at)
    if record.forked_from:
        shown["forked_from"] = record.forked_from
    if record.code_version:
        shown["code_version"] = record.code_version
    if record.attributes:
        shown["attributes"] = decode_attributes(record.attributes)
    if record.memo:
        memo = decode_memo(record.memo)
        shown["memo"] = "(encrypted)" if memo is None else memo
    if record.parked:
        shown["parked"] = record.parked
    if record.status == PAUSED:
        shown["paused"] = {
            "by": record.paused_by,
            "reason": record.paused_reason,
            "at": time_of(record.paused_at),
        }
    return shown


@runs.command("list")
def list_runs(
    workflow: Annotated[str | None, typer.Option(help="Only runs of this workflow.")] = None,
    status: Annotated[str | None, typer.Option(help="Only runs with this status.")] = None,
    where: WhereOption = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Where the previous page ended.")] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """List runs, newest first."""
    output = Output(as_json=as_json)
    given = [*(where or []), *([f"workflow={workflow}"] if workflow else []), *([f"status={status}"] if status else [])]

    async def body(client: Client) -> None:
        records, following = await client.runs(where=read_filter(given), cursor=cursor, limit=limit)
        columns = ["run_id", "workflow", "status", "created_at", "closed_at"]
        columns += [each for each in ("attributes", "memo") if any(getattr(record, each) for record in records)]
        output.rows(columns, [run_fields(each) for each in records], more={"next_cursor": following})

    with_client(output, store, body)


@runs.command()
def show(run: RunArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Show one run, with its result or error."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        record = await client.handle(run).describe()
        shown = run_fields(record) | {"events": record.last_event, "owner": record.owner}
        if record.status in TERMINAL:
            outcome = decode_end(record.outcome)
            if outcome.result is not None:
                shown["result"] = decode_outcome(run, outcome, msgspec.json.decode)
            elif outcome.failure is not None:
                failure = outcome.failure
                if output.as_json:
                    shown["error"] = {
                        "type": failure.type,
                        "message": failure.message,
                        "traceback": failure.traceback,
                    }
                else:
                    shown["error"] = f"{failure.type}: {failure.message}"
                    shown["traceback"] = failure.traceback.strip("\n")
            else:
                shown["reason"] = outcome.reason
        output.fields(shown)

    with_client(output, store, body)


@runs.command()
def wait(
    run: RunArgument,
    timeout: WaitTimeOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Wait for a run to end, and print its result."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        await finish(output, client.handle(run), timeout)

    with_client(output, store, body)


async def finish(output: Output, handle: RunHandle[Any], timeout: float | None, **shown: Any) -> None:
    """Wait for a run's result and print it; leave with a code of its own when it does not come in time."""
    try:
        result = await handle.result(timeout)
    except TimeoutError:
        output.note(f"run {handle.run_id} has not ended yet")
        raise typer.Exit(Exit.UNAVAILABLE) from None
    if output.as_json:
        output.value({"run_id": handle.run_id, **shown, "result": result})
    else:
        output.note(f"[dim]run {handle.run_id}[/]")
        output.value(result)


@runs.command()
def explain(run: RunArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Say why a run does not move."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        explained = await client.handle(run).explain()
        if output.as_json:
            output.value(explained)
            return
        output.console.print(f"{explained.execution} is {explained.status}", markup=False)
        _print_causes(output, explained.causes, 1)

    with_client(output, store, body)


def _print_causes(output: Output, causes: tuple[Cause, ...], depth: int) -> None:
    for each in causes:
        since = f"  (since {time_of(each.since)})" if each.since is not None else ""
        output.console.print("  " * depth + printable(each.text) + since, markup=False)
        if each.remedy:
            output.console.print("  " * depth + f"  to do: {printable(each.remedy)}", markup=False)
        _print_causes(output, each.causes, depth + 1)


@runs.command()
def history(run: RunArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Show what was recorded of a run, event by event."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        recorded = await client.handle(run).history()
        output.rows(("id", "time", "event", "step", "details"), [_event_fields(each) for each in recorded])

    with_client(output, store, body)


def _event_fields(recorded: RecordedEvent) -> dict[str, Any]:
    event = recorded.event
    fields = {key: _readable(value) for key, value in msgspec.structs.asdict(event).items()}
    for name in ("time", "issued", "cause", "ordinal"):
        fields.pop(name, None)
    step = fields.pop("step", "")
    details = {key: value for key, value in fields.items() if value not in ("", None, [], (), {})}
    return {
        "id": recorded.id,
        "time": time_of(event.time),
        "event": type(event).__name__,
        "step": step,
        "details": details,
    }


def _readable(value: Any) -> Any:
    if isinstance(value, bytes):
        try:
            decoded = msgspec.json.decode(value)
        except msgspec.DecodeError:
            return value.hex()
        text = msgspec.json.encode(decoded).decode()
        return decoded if len(text) <= _PAYLOAD_CHARACTERS else text[:_PAYLOAD_CHARACTERS] + "…"
    if isinstance(value, BlobRef):
        return f"({value.size_bytes:,} bytes)"
    if isinstance(value, msgspec.Struct):
        return {key: _readable(each) for key, each in msgspec.structs.asdict(value).items()}
    if isinstance(value, tuple):
        return [_readable(each) for each in value]
    return value


@runs.command()
def export(
    run: RunArgument,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where to write the history.")],
    form: Annotated[
        Form,
        typer.Option(
            "--format",
            metavar="holdfast|temporal|temporal-sdk",
            help="`temporal` writes what Temporal's own Replayer takes for the same code with our plugin, "
            "`temporal-sdk` for the same logic written with its SDK.",
        ),
    ] = Form.HOLDFAST,
    encrypted: Annotated[
        bool,
        typer.Option("--encrypted", help="Encrypt the file with the store's newest key; `holdfast replay` reads it."),
    ] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a run's history to a file, as JSON that a person can read."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        history = await _recorded(client, run)
        if form is not Form.HOLDFAST:
            content = to_temporal(history.events, for_sdk=form is Form.TEMPORAL_SDK, outcomes=history.outcomes)
        else:
            content = to_json(
                history.events,
                outcomes=history.outcomes,
                engine=history.engine,
                drains=history.drains,
                singly=history.singly,
            )
        if encrypted:
            content = _encrypted(client, content)
        try:
            out.write_bytes(content)
        except OSError as error:
            raise SettingsError(f"{out} cannot be written: {error.strerror}", "Name another file: --out FILE") from None
        output.fields({"run_id": run, "events": len(history.events), "file": str(out)})

    with_client(output, store, body)


async def _recorded(client: Client, run: str) -> History:
    """Return what is recorded of a run, wherever that is: a cluster says where it drained."""
    if is_elsewhere():
        return await recorded_elsewhere(client, run)
    handle = client.handle(run)
    events = [each.event for each in await handle.history()]
    return History(events, await read_outcomes(client.store, (await handle.describe()).execution_id))


def _encrypted(client: Client, content: bytes) -> bytes:
    codec = client.store.codec
    if codec is None:
        raise UsageError(
            "there is no key to encrypt the export with", "Name the store's keys in the setting encryption_keys."
        )
    return codec.encrypt(content, FILE_PLACE)
