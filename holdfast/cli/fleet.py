"""`holdfast workers`, `locks` and `limits`: who works, what waits, what is locked or limited."""

from __future__ import annotations

import re
from typing import Annotated, Final

import typer

from holdfast.app import Client
from holdfast.cli.operating import person
from holdfast.cli.output import Exit, Output, time_of
from holdfast.cli.verbs import JsonOption, OnlyHere, StoreOption, with_client
from holdfast.errors import UsageError
from holdfast.history import check_identifier
from holdfast.ports.operations import BreakLock, SetLimit

locks = typer.Typer(help="Locks and semaphores.", no_args_is_help=True)
limits = typer.Typer(help="How many tasks run at once, how often, and the hosts they call.", no_args_is_help=True)

_WORKERS: Final = OnlyHere("list of workers", "Ask Temporal: temporal task-queue describe --task-queue holdfast.")
_LIMITS: Final = OnlyHere("limit or rate of tasks", "Give workers fewer slots: holdfast worker --pool NAME=SLOTS.")


def workers(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List the processes that run workflows and tasks, newest first."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        rows = [
            {
                "name": each.name,
                "kind": each.kind,
                "state": each.state,
                "joined_at": time_of(each.joined_at),
                "expires_at": time_of(each.expires_at),
                "workflows": list(each.workflows),
                "pools": dict(each.pools),
                "runs": each.runs,
                "tasks": each.tasks,
                "refused": each.refused,
            }
            for each in await client.store.members()
        ]
        output.rows(("name", "kind", "state", "pools", "runs", "tasks", "refused"), rows)

    with_client(output, store, body, only_here=_WORKERS)


@locks.command("list")
def list_locks(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List who holds which lock, and who waits for it."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        rows = [
            {
                "name": each.name,
                "slots": each.slots,
                "holder": each.holder,
                "held": each.held,
                "token": each.token if each.held else None,
                "since": time_of(each.since),
                "expires_at": time_of(each.expires_at),
            }
            for each in await client.store.locks()
        ]
        output.rows(("name", "slots", "holder", "held", "token", "since", "expires_at"), rows)

    with_client(output, store, body)


@locks.command("break")
def break_lock(
    name: Annotated[str, typer.Argument(help="A lock's name.")], store: StoreOption = None, as_json: JsonOption = False
) -> None:
    """Take a lock from its holder by force; the next in line gets it."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        (holder,) = await client.store.write([BreakLock(name)])
        output.fields({"name": name, "taken_from": holder or None})
        if not holder:
            output.note("nobody held it")
            raise typer.Exit(Exit.NOT_FOUND)

    with_client(output, store, body)


@limits.command("set")
def set_limit(
    name: Annotated[str, typer.Argument(help="A limit's name, as `limits list` has it.")],
    figure: Annotated[str, typer.Argument(metavar="N", help="How many at once, or units in a window; or none.")],
    rate: Annotated[bool, typer.Option("--rate", help="It is a rate, not a limit of how many run at once.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a limit or a rate have another figure than tasks say, from now on; none lifts it."""
    output = Output(as_json=as_json)
    kind = "rate" if rate else "concurrency"

    async def body(client: Client) -> None:
        amount = _read_figure(figure, whole=not rate)
        await client.store.write([SetLimit(kind, check_identifier(name, "the name of the limit"), amount, person())])
        output.fields({"kind": kind, "name": name, "limit": amount})

    with_client(output, store, body, only_here=_LIMITS)


def _read_figure(text: str, *, whole: bool) -> float | None:
    if text == "none":
        return None
    if not re.fullmatch(r"[0-9]{1,12}" if whole else r"[0-9]{1,12}(\.[0-9]{1,6})?", text) or float(text) == 0:
        raise UsageError(f"{text!r} is no figure of a limit", "Write a number above 0, or: none. To stop: pools pause.")
    return float(text)


@limits.command("list")
def list_limits(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List limits, rates and hosts: how much is used, who waits, what is frozen, which hosts fail."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        rows = [
            {
                "kind": each.kind,
                "name": each.name,
                "limit": each.limit,
                "per_seconds": each.per_seconds or None,
                "used": len(each.holders) if each.kind == "concurrency" else each.used,
                "waiting": each.waiting,
                "frozen_until": None if each.frozen_until is None else time_of(each.frozen_until),
                "frozen_by": each.frozen_by or None,
                "holders": [holder.holder for holder in each.holders],
                "circuit": each.circuit or None,
                "circuit_until": None if each.circuit_until is None else time_of(each.circuit_until),
                "reason": each.reason or None,
                "set_by": each.set_by,
            }
            for each in await client.store.limits()
        ]
        output.rows(
            ("kind", "name", "limit", "per_seconds", "used", "waiting", "frozen_until", "holders", "circuit", "reason"),
            rows,
        )

    with_client(output, store, body)
