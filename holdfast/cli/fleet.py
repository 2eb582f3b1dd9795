"""`holdfast workers`, `locks` and `limits`: who works, what waits, what is locked or limited."""

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.app import Client
from holdfast.cli.output import Exit, Output, time_of
from holdfast.cli.verbs import JsonOption, StoreOption, with_client
from holdfast.ports.operations import BreakLock

locks = typer.Typer(help="Locks and semaphores.", no_args_is_help=True)
limits = typer.Typer(help="How many tasks run at once, how often, and the hosts they call.", no_args_is_help=True)


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

    with_client(output, store, body)


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
            }
            for each in await client.store.limits()
        ]
        output.rows(
            ("kind", "name", "limit", "per_seconds", "used", "waiting", "frozen_until", "holders", "circuit", "reason"),
            rows,
        )

    with_client(output, store, body)
