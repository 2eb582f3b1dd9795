"""`holdfast keys`: who may use the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.app import Client
from holdfast.authoring import read_duration
from holdfast.cli.output import Output, time_of
from holdfast.cli.verbs import JsonOption, StoreOption, with_client
from holdfast.errors import UnknownNameError

if TYPE_CHECKING:
    from holdfast.controller import Keyring

keys = typer.Typer(help="API keys of the controller.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="What the key is called.")]


@keys.command("create")
def create_key(
    name: NameArgument,
    scope: Annotated[list[str], typer.Option("--scope", help="read, start, signal, operate or admin.")],
    workflow: Annotated[
        list[str] | None,
        typer.Option("--workflow", help="Only for this workflow and its runs. Repeatable.", show_default=False),
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="AGE", help="How long it is good: 90d.", show_default=False)
    ] = None,
    rate_limit: Annotated[
        str, typer.Option("--rate-limit", metavar="RATE", help="Requests it may make: 100/s, 600/m.")
    ] = "",
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an API key; it is shown this once."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        from holdfast.controller import Scope

        known = tuple(each.value for each in Scope)
        if unknown := [each for each in scope if each not in known]:
            raise UnknownNameError("scope", unknown[0], known)
        expires_at = None if expires is None else await client.store.now() + read_duration(expires, "--expires")
        is_first = not await client.store.keys()
        issued = await _keyring(client).create(
            name, [Scope(each) for each in scope], expires_at, workflows=workflow or (), rate_limit=rate_limit
        )
        output.fields(
            {
                "name": name,
                "scopes": scope,
                "workflows": list(issued.stored.workflows),
                "expires_at": time_of(expires_at),
                "key": issued.secret,
            }
        )
        if is_first:
            output.note("This is the first key: from now on the API asks everybody for one. It is not shown again.")

    with_client(output, store, body, makes_store=True)


@keys.command("list")
def list_keys(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List API keys, without their secrets."""
    output = Output(as_json=as_json)
    columns = ("name", "scopes", "workflows", "created_at", "last_used_at", "expires_at", "revoked")

    async def body(client: Client) -> None:
        rows = [
            {
                "name": each.name,
                "scopes": list(each.scopes),
                "workflows": list(each.workflows),
                "rate_limit": each.rate_limit,
                "created_at": time_of(each.created_at),
                "last_used_at": time_of(each.last_used_at),
                "expires_at": time_of(each.expires_at),
                "old_secret_until": time_of(each.old_until or None),
                "revoked": each.revoked,
            }
            for each in await client.store.keys()
        ]
        output.rows(columns, rows)

    with_client(output, store, body)


@keys.command("rotate")
def rotate_key(
    name: NameArgument,
    overlap: Annotated[
        str, typer.Option(metavar="AGE", help="How long the secret it has stays good: 1h, 7d, 0s.")
    ] = "1h",
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give an API key another secret, shown this once; the one it has stays good for a while."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        seconds = read_duration(overlap, "--overlap", zero=True)
        renewed = await _keyring(client).rotate(name, seconds)
        until = await client.store.now() + seconds
        output.fields({"name": name, "key": renewed.secret, "old_secret_until": time_of(until)})

    with_client(output, store, body)


@keys.command("revoke")
def revoke_key(name: NameArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Make an API key invalid, within a second in every process."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        await _keyring(client).revoke(name)
        output.fields({"name": name, "revoked": True})

    with_client(output, store, body)


def _keyring(client: Client) -> Keyring:
    from holdfast.controller import Keyring
    from holdfast.stores import SystemClock

    return Keyring(client.store, SystemClock())
