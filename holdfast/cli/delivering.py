"""`holdfast deliveries`: what webhooks were sent, and doing it again."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar

import msgspec
import typer

from holdfast.app import load_settings, open_inbox
from holdfast.authoring import Registry
from holdfast.cli.modules import load_registry
from holdfast.cli.output import Exit, Output
from holdfast.cli.verbs import JsonOption, StoreOption, run_verb, user
from holdfast.controller.webhooks import Inbox, Redeliver
from holdfast.errors import InputError
from holdfast.ports.operations import DeliveryFilter, DeliveryState

deliveries = typer.Typer(help="What webhooks were sent.", no_args_is_help=True)

Result = TypeVar("Result")
WebhookOption = Annotated[
    str | None, typer.Option("--webhook", metavar="NAME", help="Only those to this webhook.", show_default=False)
]
StateOption = Annotated[
    str | None,
    typer.Option("--state", metavar="STATE", help="accepted, ignored, failed or refused.", show_default=False),
]


@deliveries.command("list")
def list_deliveries(
    webhook: WebhookOption = None,
    state: StateOption = None,
    run: Annotated[str | None, typer.Option("--run", metavar="RUN", help="Only those about this run.")] = None,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Where the page before ended.")] = None,
    limit: Annotated[int, typer.Option("--limit", help="How many at most.")] = 50,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what webhooks were sent, newest first, and what came of it."""
    output = Output(as_json=as_json)

    async def body(inbox: Inbox) -> None:
        where = DeliveryFilter(webhook, _state(state), run)
        page = await inbox.page(where, cursor=cursor, limit=limit)
        rows = [msgspec.to_builtins(each) for each in page.deliveries]
        columns = ("delivery", "received_at", "webhook", "event", "state", "run_id", "reason")
        output.rows(columns, rows, more={"next_cursor": page.next})

    _with_inbox(output, store, None, body)


@deliveries.command("show")
def show_delivery(
    delivery: Annotated[int, typer.Argument(metavar="DELIVERY", help="Its number in the inbox.")],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one delivery with its headers and its body, without secrets."""
    output = Output(as_json=as_json)

    async def body(inbox: Inbox) -> None:
        output.fields(msgspec.to_builtins(await inbox.delivery(delivery)))

    _with_inbox(output, store, None, body)


@deliveries.command("redeliver")
def redeliver(
    delivery: Annotated[
        list[int] | None, typer.Argument(metavar="DELIVERY...", help="Numbers in the inbox.", show_default=False)
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="All that failed.")] = False,
    webhook: WebhookOption = None,
    modules: Annotated[
        list[str] | None,
        typer.Option("--module", metavar="MODULE", help="Module with workflows and webhooks.", show_default=False),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Carry out deliveries again, by what is declared now; those that were accepted stay as they are."""
    output = Output(as_json=as_json)

    actor = f"cli:{user()}"

    async def body(inbox: Inbox) -> list[dict[str, Any]]:
        if delivery:
            return [msgspec.to_builtins(await inbox.redeliver(each, actor)) for each in delivery]
        rows: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            part = await inbox.redeliver_many(Redeliver(webhook=webhook, cursor=cursor or None), actor)
            rows += [msgspec.to_builtins(each) for each in part.done]
            rows += [{"delivery": each.delivery, "state": "failed", "reason": each.why} for each in part.failed]
            cursor = part.next
        return rows

    def load(names: list[str]) -> Registry:
        if bool(delivery) == failed:
            raise InputError("the command", (("", "expected numbers of deliveries, or --failed"),))
        return load_registry(modules or names)

    rows = _with_inbox(output, store, load, body)
    output.rows(("delivery", "state", "run_id", "reason"), rows)
    if any(each["state"] == "failed" for each in rows):
        raise typer.Exit(Exit.FAILED)


def _with_inbox(
    output: Output,
    store: str | None,
    load: Callable[[list[str]], Registry] | None,
    body: Callable[[Inbox], Coroutine[Any, Any, Result]],
) -> Result:
    async def opened() -> Result:
        settings = load_settings(store=store)
        registry = None if load is None else load(list(settings.modules))
        async with open_inbox(settings, registry) as inbox:
            return await body(inbox)

    return run_verb(output, opened)


def _state(given: str | None) -> str | None:
    if given is not None and given not in list(DeliveryState):
        raise InputError("--state", ((given, f"expected one of {', '.join(DeliveryState)}"),))
    return given
