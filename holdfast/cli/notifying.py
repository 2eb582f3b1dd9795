"""`holdfast notices`: who is told that runs have ended, and what came of it."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from holdfast.app import Client, load_settings, new_notice_secret, notice_secret
from holdfast.cli.output import Exit, Output, time_of
from holdfast.cli.verbs import JsonOption, OnlyHere, StoreOption, with_client
from holdfast.ports.operations import ResendNotice

notices = typer.Typer(help="Whom to tell that runs have ended.", no_args_is_help=True)
_NOTICES: Final = OnlyHere("notice of a run's end (notify)", "Let the last task of the workflow tell of it.")


@notices.command("list")
def list_notices(
    run: Annotated[str, typer.Option("--run", help="Only those of this run.")] = "",
    status: Annotated[str, typer.Option(help="Only those that are WAITING, DUE, SENT or UNSENT.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many at most.")] = 50,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """List who is told that runs have ended, the newest first."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        rows = [
            {
                "notice": each.notice_id,
                "run_id": each.run_id,
                "url": each.url.decode(errors="replace"),
                "status": each.status,
                "tries": each.attempt,
                "next": time_of(each.due),
                "error": each.error,
            }
            for each in await client.store.notices(status=status.upper(), run_id=run, limit=limit)
        ]
        output.rows(("notice", "run_id", "url", "status", "tries", "next", "error"), rows)

    with_client(output, store, body, only_here=_NOTICES)


@notices.command()
def resend(
    notice: Annotated[int, typer.Argument(help="A notice's number.", min=1)],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send a notice again that was heard or given up."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        (found,) = await client.store.write([ResendNotice(notice)])
        output.fields({"notice": notice, "due": found})
        if not found:
            output.note("there is none of this number that was heard or given up: holdfast notices list")
            raise typer.Exit(Exit.NOT_FOUND)

    with_client(output, store, body, only_here=_NOTICES)


@notices.command()
def secret(
    new: Annotated[
        bool, typer.Option("--new", help="Print a new one, for the setting `notify_secret` to lead to.")
    ] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the secret that receivers check the signatures of notices with."""
    output = Output(as_json=as_json)
    if new:
        output.fields({"secret": new_notice_secret()})
        return

    async def body(client: Client) -> None:
        output.fields({"secret": await notice_secret(load_settings(store=store), client.store)})

    with_client(output, store, body)
