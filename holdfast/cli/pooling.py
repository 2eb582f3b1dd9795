"""`holdfast pools`: what waits, who works, and how much may be done at once."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated, Any, Final

import typer
from rich.markup import escape

from holdfast.app import Client
from holdfast.cli.operating import person
from holdfast.cli.output import Exit, Output
from holdfast.cli.verbs import JsonOption, OnlyHere, StoreOption, shown, with_client
from holdfast.client import unserved
from holdfast.errors import UsageError
from holdfast.ports.operations import LimitPool, PausePool, PoolRecord, ResumePool

pools = typer.Typer(help="Pools: what waits, who works, and how much may be done at once.")

PoolArgument = Annotated[str, typer.Argument(metavar="POOL", help="A pool's name.")]
DRAIN_LOOK_SECONDS: Final = 0.2
"""How often a drain looks."""
POOL_SLOTS_MAX: Final = 1_000_000
_POOLS: Final = OnlyHere(
    "pool that can be looked at, paused or limited",
    "Ask Temporal: temporal task-queue describe --task-queue holdfast, or holdfast-NAME for another pool than default.",
)


@pools.callback(invoke_without_command=True)
def show_pools(context: typer.Context, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List the pools that have work, or somebody to do it; with a verb, change one."""
    if context.invoked_subcommand is None:
        _list(Output(as_json=as_json), store)


@pools.command("list")
def list_pools(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List the pools that have work, or somebody to do it, as `holdfast pools` does."""
    _list(Output(as_json=as_json), store)


def _list(output: Output, store: str | None) -> None:
    async def body(client: Client) -> None:
        found = await client.store.pools()
        output.rows(
            ("pool", "backlog", "oldest_seconds", "in_flight", "slots", "limit", "paused"),
            [_pool_fields(each) for each in found],
        )
        for each in found:
            if (warning := unserved(each)) is not None:
                output.note(f"[yellow]{escape(each.pool)}: {escape(warning)}[/]")

    with_client(output, store, body, only_here=_POOLS)


@pools.command("pause")
def pause_pool(
    pool: PoolArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is shown and recorded.")] = "",
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let nothing of a pool be taken until it is resumed; what is under way goes on."""
    _change(Output(as_json=as_json), store, PausePool(pool, person(), reason))


@pools.command("resume")
def resume_pool(pool: PoolArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Let a paused pool be served again."""
    _change(Output(as_json=as_json), store, ResumePool(pool, person()))


@pools.command("limit")
def limit_pool(
    pool: PoolArgument,
    slots: Annotated[str, typer.Argument(metavar="N", help="How many tasks at once, in the whole fleet; or none.")],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let so many tasks of a pool be under way at once, from now on."""
    output = Output(as_json=as_json)
    wanted = shown(output, lambda: _read_limit(slots))
    _change(output, store, LimitPool(pool, wanted, person()))


@pools.command("drain")
def drain_pool(
    pool: PoolArgument,
    timeout: Annotated[float, typer.Option("--timeout", min=0.0, help="How many seconds to wait, at most.")] = 600.0,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Pause a pool, and wait until nothing of it is under way."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        await client.store.write([PausePool(pool, person(), "drain")])
        record = await _pool_of(client, pool)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while record.in_flight:
                    await asyncio.sleep(DRAIN_LOOK_SECONDS)
                    record = await _pool_of(client, pool)
        output.fields(_pool_fields(record))
        if record.in_flight:
            output.note(f"{record.in_flight} tasks are still under way; the pool stays paused")
            raise typer.Exit(Exit.REFUSED)

    with_client(output, store, body, only_here=_POOLS)


def _change(output: Output, store: str | None, operation: PausePool | ResumePool | LimitPool) -> None:
    async def body(client: Client) -> None:
        await client.store.write([operation])
        output.fields(_pool_fields(await _pool_of(client, operation.pool)))

    with_client(output, store, body, only_here=_POOLS)


async def _pool_of(client: Client, name: str) -> PoolRecord:
    found = next((each for each in await client.store.pools() if each.pool == name), None)
    return found or PoolRecord(name, 0, 0, 0.0, 0)


def _pool_fields(pool: PoolRecord) -> dict[str, Any]:
    return {
        "pool": pool.pool,
        "backlog": pool.backlog,
        "oldest_seconds": round(pool.oldest_seconds, 3),
        "in_flight": pool.in_flight,
        "slots": pool.slots,
        "limit": pool.limit,
        "paused": pool.paused,
    }


def _read_limit(text: str) -> int | None:
    if text == "none":
        return None
    if not text.isdecimal() or not 1 <= int(text) <= POOL_SLOTS_MAX:
        raise UsageError(
            f"{text!r} is no limit of a pool", f"Write a number from 1 to {POOL_SLOTS_MAX:,}, or: none. To stop: pause."
        )
    return int(text)
