"""A schema's half of moving a store: everything in a stream is written into an empty schema, at once or not at all.

Owns: what has to be empty, how rows get there, where counters stand afterwards.
Must not know: where the stream comes from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from holdfast.errors import SchemaError, StoreError
from holdfast.stores.moving import TRAVELLING
from holdfast.stores.postgres.address import Address, parse_address
from holdfast.stores.postgres.connection import Patience, close, connect_patiently
from holdfast.stores.postgres.failures import Verdict, judge, translate
from holdfast.stores.postgres.locks import schema_lock
from holdfast.stores.postgres.schema import check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from holdfast.stores.moving import Reading

IMPORT_SECONDS_MAX: Final = 3_600.0
"""How long one table may take."""
_PAGE_BITS: Final = 20
"""The number of a page is that of its transaction, followed by so many bits: see migrations/0001_runs.sql."""


async def import_store(address: Address | str, source: Reading, told: Callable[[str, int], None]) -> int:
    """Write everything in a stream into a schema that is empty; return how many rows that were.

    Args:
        address: of the store; its schema is up to date.
        source: the stream.
        told: called after each table with its name and its number of rows.

    Raises:
        SchemaError: there is no schema, it is older or newer, or the stream is.
        StoreError: it is not empty, or the server cannot be reached, or refuses. Nothing was kept.
        StoreCorruptError: the stream was cut off or changed. Nothing was kept.
    """
    address = parse_address(address) if isinstance(address, str) else address
    connection = await connect_patiently(address, Patience(address, 0.0), purpose="import")
    try:
        await check(connection, address)
        async with connection.transaction():
            await connection.execute(f'SET LOCAL search_path = "{address.schema}"')
            await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            await connection.execute(f"SELECT pg_advisory_xact_lock({schema_lock(address.schema)})")
            await _check_empty(connection, address)
            await _fill(connection, address, source, told)
            await _set_counters(connection, source)
    except Exception as error:
        if judge(error) is Verdict.OTHER:
            raise
        raise translate(error, address) from error
    finally:
        await close(connection)
    return source.rows


async def _check_empty(connection: Any, address: Address) -> None:
    for table in TRAVELLING:
        if await connection.fetchval(f'SELECT EXISTS (SELECT FROM "{table}")'):  # noqa: S608 - names of our own
            raise StoreError(
                f"{address} is not empty: there is something in {table}",
                "A store is imported into one that nobody has used. Name another schema: ...?schema=NAME",
            )


async def _fill(connection: Any, address: Address, source: Reading, told: Callable[[str, int], None]) -> None:
    for table in source.tables():
        known = await connection.fetch(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2",
            address.schema,
            table.name,
        )
        columns = {row[0] for row in known}
        if table.name not in TRAVELLING or not columns:
            raise SchemaError(
                f"the exported store has a table {table.name}, which this program does not know",
                "Export and import with the same Holdfast.",
            )
        places = [place for place, name in enumerate(table.columns) if name in columns]
        before = source.rows
        await connection.copy_records_to_table(
            table.name,
            records=_picked(table.rows, places),
            columns=[table.columns[place] for place in places],
            timeout=IMPORT_SECONDS_MAX,
        )
        told(table.name, source.rows - before)


async def _set_counters(connection: Any, source: Reading) -> None:
    await connection.fetchval("SELECT setval('tokens', $1)", max(source.token, 1))
    for (table,) in await connection.fetch(
        "SELECT table_name FROM information_schema.columns "
        "WHERE table_schema = current_schema() AND column_name = 'id' AND is_identity = 'YES'"
    ):
        highest = f"SELECT setval(pg_get_serial_sequence($1, 'id'), coalesce(max(id), 0) + 1, false) FROM {table}"  # noqa: S608
        await connection.fetchval(highest, table)
    highest = await connection.fetchval("SELECT coalesce(max(seq), 0) FROM events")
    if highest >= int(await connection.fetchval("SELECT pg_current_xact_id()::text")) << _PAGE_BITS:
        raise StoreError(
            "the exported store has numbered more pages than this server has had transactions",
            f"Let it have {highest >> _PAGE_BITS} transactions first, or import into another server.",
        )


def _picked(rows: Iterator[Sequence[Any]], places: Sequence[int]) -> Iterator[tuple[Any, ...]]:
    return (tuple(row[place] for place in places) for row in rows)
