"""`holdfast signal`, `query` and `update`: talk to a run."""

from __future__ import annotations

from typing import Annotated, Any, cast

import typer

from holdfast.app import Client
from holdfast.authoring import MessageHandler
from holdfast.cli.durations import AnswerTimeOption
from holdfast.cli.known import Known, ModuleOption
from holdfast.cli.output import Output
from holdfast.cli.payloads import read_json
from holdfast.cli.verbs import InputArgument, JsonOption, StoreOption, with_client

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run id.")]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The handler's name.")]


def signal(
    run: RunArgument,
    name: NameArgument,
    input: InputArgument = None,
    module: ModuleOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send a signal to a run."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        known = Known(output, module)
        value = read_json(input)
        handle = client.handle(run)
        workflow = known.workflow((await handle.describe()).workflow)
        if workflow is None or name in workflow.signals:
            handler = workflow.signals[name] if workflow is not None else None
            value = known.value(cast("MessageHandler[Any, Any] | None", handler), value)
            known.say_if_unchecked(f"the input of signal {name}")
        else:
            known.say_if_unheard(workflow, name)
        await handle.signal(name, value)
        output.fields({"run_id": run, "signal": name, "delivered": True, **known.fields()})

    with_client(output, store, body)


def query(
    run: RunArgument,
    name: NameArgument,
    input: InputArgument = None,
    timeout: AnswerTimeOption = 30.0,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask a run, also one that has ended."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        output.value(await client.handle(run).query(name, *_arguments(input), timeout=timeout))

    with_client(output, store, body)


def update(
    run: RunArgument,
    name: NameArgument,
    input: InputArgument = None,
    timeout: AnswerTimeOption = 30.0,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send an update to a run, and print its answer."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        output.value(await client.handle(run).update(name, *_arguments(input), timeout=timeout))

    with_client(output, store, body)


def _arguments(argument: str | None) -> tuple[object, ...]:
    return () if argument is None else (read_json(argument),)
