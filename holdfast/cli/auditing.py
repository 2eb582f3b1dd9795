"""`holdfast audit`: who did what."""

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.app import Client
from holdfast.cli.output import Output, time_of
from holdfast.cli.verbs import JsonOption, StoreOption, with_client
from holdfast.errors import InputError
from holdfast.ports.operations import AuditFilter


def audit(
    actor: Annotated[str | None, typer.Option(help="Only what this one did.", show_default=False)] = None,
    action: Annotated[str | None, typer.Option(help="Only acts of this kind: cancel.", show_default=False)] = None,
    target: Annotated[
        str | None, typer.Option(help="Only what was done to this run, lock or key.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many at most.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Where the page before ended.", show_default=False)] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show who started, signalled, operated and changed what, newest first."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        try:
            entries, following = await client.store.audit(AuditFilter(actor, action, target), cursor, limit)
        except (ValueError, OverflowError):
            raise InputError("the command", (("--cursor", "expected the cursor of a page"),)) from None
        rows = [
            {
                "id": each.entry_id,
                "at": time_of(each.at),
                "actor": each.actor,
                "action": each.action,
                "target": each.target,
                "detail": each.detail,
            }
            for each in entries
        ]
        output.rows(("at", "actor", "action", "target", "detail"), rows, more={"next_cursor": following})

    with_client(output, store, body)
