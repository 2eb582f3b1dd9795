"""`holdfast contracts`: what answers have been like so far, and what hosts say they give up."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from holdfast.app import Client
from holdfast.cli.operating import person
from holdfast.cli.output import Output, time_of
from holdfast.cli.verbs import JsonOption, StoreOption, with_client
from holdfast.errors import UnknownNameError
from holdfast.ports.contracts import decode_learned
from holdfast.ports.operations import ContractRecord, RelearnContract

contracts = typer.Typer(help="What answers have been like so far, as the fleet has learned.", no_args_is_help=True)

HostArgument = Annotated[str, typer.Argument(metavar="HOST", help="A host, as `contracts list` shows it.")]
EndpointArgument = Annotated[str, typer.Argument(metavar="ENDPOINT", help="What is called: 'GET /rooms/{}/price'.")]


@contracts.command("list")
def list_contracts(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List what is known of answers: the newest version of each contract, and how it differs from the one before."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        rows = [_fields(each) for each in await client.store.contracts()]
        output.rows(("host", "endpoint", "version", "state", "answers", "differs", "since"), rows)

    with_client(output, store, body)


@contracts.command("show")
def show_contract(
    host: HostArgument, endpoint: EndpointArgument, store: StoreOption = None, as_json: JsonOption = False
) -> None:
    """Show a contract with its JSON Schema, and what changed from version to version."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        versions = await client.store.contract_versions(host, endpoint)
        if not versions:
            raise _unknown(host, endpoint)
        learned = decode_learned(versions[0].body)
        output.fields(
            {
                **_fields(versions[0]),
                "statuses": list(learned.contract.statuses),
                "types": list(learned.contract.types),
                "schema": learned.contract.body,
                "versions": [
                    {
                        "version": each.version,
                        "since": time_of(each.since),
                        "changes": [msgspec.to_builtins(change) for change in decode_learned(each.body).changes],
                    }
                    for each in versions
                ],
            }
        )

    with_client(output, store, body)


@contracts.command("relearn")
def relearn_contract(
    host: HostArgument, endpoint: EndpointArgument, store: StoreOption = None, as_json: JsonOption = False
) -> None:
    """Learn a contract anew, from the next answers: until there are enough, nothing is held against it."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        (version,) = await client.store.write([RelearnContract(host, endpoint, person())])
        if not version:
            raise _unknown(host, endpoint)
        output.fields({"host": host, "endpoint": endpoint, "version": version, "state": "learning"})

    with_client(output, store, body)


@contracts.command("retiring")
def list_retirements(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List what hosts say they give up, by their Deprecation and Sunset headers, with the dates."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        rows = [
            {
                "host": each.host,
                "endpoint": each.endpoint,
                "deprecated_at": _time(each.deprecated_at),
                "sunset_at": _time(each.sunset_at),
                "link": each.link or None,
                "first_seen": time_of(each.first_seen),
                "first_run": each.first_run or None,
            }
            for each in await client.store.retirements()
        ]
        output.rows(("host", "endpoint", "deprecated_at", "sunset_at", "link", "first_seen", "first_run"), rows)

    with_client(output, store, body)


def _fields(record: ContractRecord) -> dict[str, Any]:
    kinds = dict.fromkeys(str(each.kind) for each in decode_learned(record.body).changes)
    return {
        "host": record.host,
        "endpoint": record.endpoint,
        "version": record.version,
        "state": "learned" if record.is_learned else "learning",
        "answers": record.answers,
        "differs": ", ".join(kinds) or None,
        "since": time_of(record.since),
    }


def _time(time: float | None) -> str | None:
    return None if time is None else time_of(time)


def _unknown(host: str, endpoint: str) -> UnknownNameError:
    return UnknownNameError("contract", f"{host} {endpoint}", remedy="See what there is: holdfast contracts list")
