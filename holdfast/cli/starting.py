"""`holdfast start` and `holdfast submit`: put work in, and wait for it if asked to."""

from __future__ import annotations

from typing import Annotated, Any, cast

import msgspec
import typer
from rich.markup import escape

from holdfast.app import Client
from holdfast.cli.filters import read_pairs
from holdfast.cli.output import Output
from holdfast.cli.payloads import read_json
from holdfast.cli.runs import finish
from holdfast.cli.verbs import InputArgument, JsonOption, StoreOption, with_client
from holdfast.client import IdConflictPolicy, IdReusePolicy, RunHandle
from holdfast.errors import InputError
from holdfast.history import AttributeValue, read_attribute
from holdfast.ports.operations import ID_CONFLICT_POLICIES, ID_REUSE_POLICIES, SAME_INPUT, TERMINAL

IdOption = Annotated[str | None, typer.Option("--id", help="Run id; the same id again is the same run.")]
WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the result.")]
AttributeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--attribute",
        metavar="NAME=VALUE",
        help="What the run is found by, such as region=eu; 12.5 is a number, true a boolean. As often as it takes.",
        show_default=False,
    ),
]
MemoOption = Annotated[
    list[str] | None,
    typer.Option(
        "--memo", metavar="NAME=TEXT", help="What to note about it. As often as it takes.", show_default=False
    ),
]
TimeoutOption = Annotated[float | None, typer.Option("--timeout", help="Seconds to wait at most.")]


def start(  # noqa: PLR0917 - one for each word of the command line
    workflow: Annotated[str, typer.Argument(help="A workflow's name.")],
    input: InputArgument = None,
    id: IdOption = None,
    wait: WaitOption = False,
    timeout: TimeoutOption = None,
    run_timeout: Annotated[
        str | None, typer.Option("--run-timeout", help="How long the run may take, such as 1h; then it is TIMED_OUT.")
    ] = None,
    id_reuse_policy: Annotated[
        str, typer.Option(help=f"When the run of this id has ended: {', '.join(ID_REUSE_POLICIES)}.")
    ] = SAME_INPUT,
    id_conflict_policy: Annotated[
        str, typer.Option(help=f"When the run of this id is open: {', '.join(ID_CONFLICT_POLICIES)}.")
    ] = SAME_INPUT,
    attribute: AttributeOption = None,
    memo: MemoOption = None,
    notify: Annotated[
        list[str] | None,
        typer.Option(
            "--notify",
            metavar="URL",
            help="Who is told how the run has ended. As often as it takes.",
            show_default=False,
        ),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start a run."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        handle = await client.start(
            workflow,
            read_json(input),
            id=id,
            timeout=run_timeout,
            id_reuse_policy=cast("IdReusePolicy", id_reuse_policy),  # looked at by the client
            id_conflict_policy=cast("IdConflictPolicy", id_conflict_policy),
            attributes=_attributes(attribute),
            memo=read_pairs("--memo", memo or ()),
            notify=notify or (),
        )
        await _say_if_nobody_runs(output, client, handle)
        await _finish(output, handle, wait=wait, timeout=timeout)

    with_client(output, store, body)


def submit(  # noqa: PLR0917 - as above
    task: Annotated[str, typer.Argument(help="A task's name, or module:function.")],
    args: Annotated[
        list[str] | None, typer.Argument(metavar="[ARGS]...", help="JSON values; bare words are text.")
    ] = None,
    id: IdOption = None,
    wait: WaitOption = False,
    timeout: TimeoutOption = None,
    attribute: AttributeOption = None,
    memo: MemoOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run one task, or a plain function, durably."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        from holdfast.cli.functions import resolve

        try:
            handle = await client.submit(
                resolve(task),
                *(_value(each) for each in args or ()),
                id=id,
                attributes=_attributes(attribute),
                memo=read_pairs("--memo", memo or ()),
            )
        except TypeError as error:  # as Python says that a function cannot be called like that
            raise InputError(f"the input of {task}", (("", str(error)),)) from None
        await _say_if_nobody_runs(output, client, handle)
        await _finish(output, handle, wait=wait, timeout=timeout)

    with_client(output, store, body)


async def _say_if_nobody_runs(output: Output, client: Client, handle: RunHandle[Any]) -> None:
    """Say to a person that a run waits, when nobody alive has its workflow: a misspelt name looks the same."""
    record = await handle.describe()
    if output.as_json or record.status in TERMINAL:
        return
    now = await client.store.now()
    alive = [each for each in await client.store.members() if each.expires_at > now and each.workflows]
    if any(record.workflow in each.workflows for each in alive):
        return
    known = sorted({name for each in alive for name in each.workflows if not name.startswith("task:")})
    output.note(
        f"[yellow]waiting[/]  no process that is alive has {escape(repr(record.workflow))} "
        + escape(f"(there is: {', '.join(known)})" if known else "(none is running: holdfast dev MODULE)")
    )


async def _finish(output: Output, handle: RunHandle[Any], *, wait: bool, timeout: float | None) -> None:
    if wait:
        await finish(output, handle, timeout, created=handle.created)
    else:
        output.fields({"run_id": handle.run_id, "created": handle.created})


def _attributes(given: list[str] | None) -> dict[str, AttributeValue | None]:
    return {name: read_attribute(each) for name, each in read_pairs("--attribute", given or ()).items()}


def _value(text: str) -> Any:
    try:
        return msgspec.json.decode(text.encode())
    except msgspec.DecodeError:
        return text
