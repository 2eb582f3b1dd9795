"""Tables beside users' own data: made, examined, and moved from.

Owns: which databases the settings name, and how each kind is reached.
Must not know: drivers, what a row means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from holdfast.app.address import FileAddress, ServerAddress, address_of
from holdfast.errors import SettingsError
from holdfast.observe import read_reference
from holdfast.transactions import COUNT, CREATE_OUTBOX, CREATE_OUTBOX_IN_FILE, CREATE_TABLE, Mover

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.app.settings import Settings
    from holdfast.ports.engine import Engine
    from holdfast.transactions import Place


def place_at(text: str, *, setting: str, create: bool = False) -> Place:
    """Return the user's database that `text` names: an address, or `env:NAME` or `file:PATH` where one is kept.

    Args:
        text: what somebody wrote.
        setting: where it was written, for errors.
        create: whether a file that is not there may be made.

    Raises:
        SettingsError: it names none; the message shows no password.
    """
    if text.partition(":")[0] in {"env", "file"}:
        text = read_reference(text, setting, "address of the database")
    try:
        address = address_of(text)
    except SettingsError as error:
        raise SettingsError(
            f"{setting}: {error.what.removeprefix('store ')}",
            "Use sqlite:///relative/path.db, sqlite:////absolute/path.db or postgresql://user:password@host/database, "
            "or env:NAME or file:PATH where that is kept. It is the address of your own database, without a driver.",
        ) from None
    match address:
        case FileAddress():
            from holdfast.stores import FileBeside

            return FileBeside(address.path, create=create)
        case ServerAddress():
            from holdfast.stores import DatabaseBeside

            return DatabaseBeside(address.text)
        case _:
            assert_never(address)


@dataclass(frozen=True, slots=True)
class Enqueued:
    """What is in an outbox."""

    database: str
    waiting: int
    refused: int


@dataclass(frozen=True, slots=True)
class TablesMade:
    """What `make_tables` has made sure of."""

    database: str
    tables: tuple[str, ...]


async def make_tables(text: str) -> TablesMade:
    """Make the tables that `transaction` and `enqueue` need in the user's own database, unless they are there.

    Args:
        text: where the database is; see `place_at`.

    Raises:
        SettingsError: it is no address.
        StoreError: the database cannot be reached, or refuses.
    """
    place = place_at(text, setting="--outcomes", create=True)
    from holdfast.stores import FileBeside

    is_file = isinstance(place, FileBeside)
    try:
        for each in (CREATE_TABLE, CREATE_OUTBOX_IN_FILE if is_file else CREATE_OUTBOX):
            await place.ask(each)
        schema = "" if is_file else f"{(await place.ask('SELECT current_schema()'))[0][0]}."
    finally:
        await place.close()
    return TablesMade(place.name, (f"{schema}holdfast_outcomes", f"{schema}holdfast_outbox"))


def make_movers(settings: Settings, engine: Engine, jitter: Callable[[], float]) -> list[Mover]:
    """Return what moves runs that were enqueued in the databases of the setting `outboxes`. Raises SettingsError."""
    return [Mover(place_at(each, setting="outboxes"), engine, jitter) for each in settings.outboxes]


async def count_enqueued(text: str) -> Enqueued:
    """Return what is in the outbox of one database of the setting `outboxes`.

    Raises:
        SettingsError: it is no address.
        StoreError: the database cannot be reached, or has no outbox.
    """
    place = place_at(text, setting="outboxes")
    try:
        ((waiting, refused),) = await place.ask(COUNT)
    finally:
        await place.close()
    return Enqueued(place.name, waiting, refused)
