"""`holdfast start` and `holdfast submit`: put work in, and wait for it if asked to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, cast

import msgspec
import typer
from rich.markup import escape

from holdfast.app import Client, load_settings
from holdfast.authoring import MessageHandler, Registry, read_duration
from holdfast.cli.durations import WaitTimeOption
from holdfast.cli.filters import read_pairs, read_time
from holdfast.cli.known import Known, ModuleOption
from holdfast.cli.output import Output
from holdfast.cli.payloads import read_json
from holdfast.cli.runs import finish
from holdfast.cli.verbs import InputArgument, JsonOption, StoreOption, is_elsewhere, with_client
from holdfast.client import IdConflictPolicy, RunHandle
from holdfast.errors import InputError, UnknownNameError, UsageError
from holdfast.history import AttributeValue, read_attribute
from holdfast.ports.notices import check_urls
from holdfast.ports.operations import ID_CONFLICT_POLICIES, ID_REUSE_POLICIES, SAME_INPUT, TERMINAL
from holdfast.ports.reach import Reach

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


def start(  # noqa: PLR0917 - one for each word of the command line
    workflow: Annotated[str, typer.Argument(help="A workflow's name.")],
    input: InputArgument = None,
    id: IdOption = None,
    wait: WaitOption = False,
    timeout: WaitTimeOption = None,
    run_timeout: Annotated[
        str | None, typer.Option("--run-timeout", help="How long the run may take, such as 1h; then it is TIMED_OUT.")
    ] = None,
    delay: Annotated[str | None, typer.Option("--delay", help="How long after this it begins, such as 10m.")] = None,
    start_at: Annotated[
        str | None,
        typer.Option("--start-at", metavar="TIME", help="When it begins: 2026-11-29T08:00Z, or in UTC without a zone."),
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
    signal: Annotated[
        str | None,
        typer.Option(
            "--signal",
            metavar="NAME",
            help="Send this signal in the same commit; an open run of this --id takes it, whatever its input.",
            show_default=False,
        ),
    ] = None,
    signal_args: Annotated[
        str | None,
        typer.Option("--signal-args", metavar="JSON", help="The signal's arguments.", show_default=False),
    ] = None,
    module: ModuleOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start a run."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        known = Known(output, module)
        definition = known.workflow(workflow)
        if known.registry is not None and definition is None and not is_elsewhere():
            await _refuse_a_slip(client, known.registry, workflow)
        value = known.value(definition, read_json(input))
        options: dict[str, Any] = {
            "timeout": None if run_timeout is None else read_duration(run_timeout, "--run-timeout"),
            "delay": None if delay is None else read_duration(delay, "--delay", zero=True),
            "start_at": None if start_at is None else datetime.fromtimestamp(read_time("--start-at", start_at), UTC),
            "id_reuse_policy": id_reuse_policy,  # looked at by the client
            "attributes": _attributes(attribute),
            "memo": read_pairs("--memo", memo or ()),
            "notify": check_urls(notify or (), Reach.allowing(load_settings(store=store).notify_allow)),
        }
        known.say_if_unchecked(f"the input of {workflow}")
        shown = known.fields()
        if signal is None:
            handle = await client.start(
                workflow, value, id=id, id_conflict_policy=cast("IdConflictPolicy", id_conflict_policy), **options
            )
        else:
            handler = definition.signals.get(signal) if definition is not None else None
            message = known.value(cast("MessageHandler[Any, Any] | None", handler), read_json(signal_args))
            if definition is None or handler is not None:
                known.say_if_unchecked(f"the input of signal {signal}")
            known.say_if_unheard(definition, signal)
            handle = await client.signal_with_start(
                workflow, value, id=_named(id, id_conflict_policy), signal=signal, signal_args=(message,), **options
            )
        await _say_if_nobody_runs(output, client, handle)
        await _finish(output, handle, wait=wait, timeout=timeout, **shown)

    with_client(output, store, body, makes_store=True)


def submit(  # noqa: PLR0917 - as above
    task: Annotated[str, typer.Argument(help="A task's name, or module:function.")],
    args: Annotated[
        list[str] | None, typer.Argument(metavar="[ARGS]...", help="JSON values; bare words are text.")
    ] = None,
    id: IdOption = None,
    wait: WaitOption = False,
    timeout: WaitTimeOption = None,
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

    with_client(output, store, body, makes_store=True)


def _named(id: str | None, id_conflict_policy: str) -> str:
    """Return the id of a run that is to be signalled, started or not."""
    if id is None:
        raise UsageError(
            "--signal says for no run that it is", "Give its id, whether it is open or to be started: --id."
        )
    if id_conflict_policy != SAME_INPUT:
        raise UsageError(
            "--signal and --id-conflict-policy contradict each other",
            "An open run always takes the signal: leave it out.",
        )
    return id


async def _refuse_a_slip(client: Client, registry: Registry, workflow: str) -> None:
    """Refuse a name that neither the code known here nor any process that is alive has."""
    alive = await _workflows_alive(client)
    if workflow not in alive:
        known = {*registry.workflows, *alive}
        raise UnknownNameError("workflow", workflow, tuple(sorted(each for each in known if not _is_task(each))))


async def _workflows_alive(client: Client) -> set[str]:
    now = await client.store.now()
    return {name for each in await client.store.members() if each.expires_at > now for name in each.workflows}


def _is_task(workflow: str) -> bool:
    return workflow.startswith("task:")


async def _say_if_nobody_runs(output: Output, client: Client, handle: RunHandle[Any]) -> None:
    """Say to a person that a run waits, when nobody alive has its workflow: a misspelt name looks the same.

    Of runs on a cluster nothing is said: the store does not know who is alive there.
    """
    record = await handle.describe()
    if output.as_json or record.status in TERMINAL or is_elsewhere():
        return
    alive = await _workflows_alive(client)
    if record.workflow in alive:
        return
    known = sorted(name for name in alive if not _is_task(name))
    output.note(
        f"[yellow]waiting[/]  no process that is alive has {escape(repr(record.workflow))} "
        + escape(f"(there is: {', '.join(known)})" if known else "(none is running: holdfast dev MODULE)")
    )


async def _finish(output: Output, handle: RunHandle[Any], *, wait: bool, timeout: float | None, **shown: Any) -> None:
    if wait:
        await finish(output, handle, timeout, created=handle.created, **shown)
    else:
        output.fields({"run_id": handle.run_id, "created": handle.created, **shown})


def _attributes(given: list[str] | None) -> dict[str, AttributeValue | None]:
    return {name: read_attribute(each) for name, each in read_pairs("--attribute", given or ()).items()}


def _value(text: str) -> Any:
    try:
        return msgspec.json.decode(text.encode())
    except msgspec.DecodeError:
        return text
