"""The schema: numbered migrations, applied once and in order, by whoever is told to.

Owns: `migrations/*.sql`, the table of those applied.
Must not know: what the tables are for.

A store opens a schema that is up to date, and no other: with a fleet, somebody has to say when the schema changes.
`migrate` changes it in one transaction, alone: writers wait for its lock, and those of an older program are refused by
what they find then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.errors import SchemaError
from holdfast.stores.postgres.address import Address, parse_address
from holdfast.stores.postgres.connection import Connection, Patience, close, connect_patiently, preamble
from holdfast.stores.postgres.failures import Verdict, judge, translate
from holdfast.stores.postgres.locks import schema_lock
from holdfast.stores.sql.migrations import Migration, load, missing

if TYPE_CHECKING:
    from collections.abc import Sequence

MIGRATE_SECONDS_MAX: Final = 3_600.0
"""How long one migration may take."""

_TABLE: Final = """
CREATE TABLE migrations (
  number integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL
)
"""
_APPLIED: Final = "SELECT number, name, checksum FROM migrations ORDER BY number"
_NOTE: Final = "INSERT INTO migrations (number, name, checksum, applied_at) VALUES ($1, $2, $3, clock_timestamp())"


def migrations() -> Sequence[Migration]:
    """Return the program's migrations, in order."""
    return load(__package__)


async def migrate(address: Address | str, *, patience_seconds: float = 30.0) -> tuple[str, ...]:
    """Bring a store's schema up to date, or make it; return the names of the migrations that were applied.

    Args:
        address: of the store.
        patience_seconds: how long a server that cannot be reached is waited for.

    Raises:
        SchemaError: the schema is newer than the program, or was made by another one.
        StoreError: the server cannot be reached, or refuses.
    """
    address = parse_address(address) if isinstance(address, str) else address
    connection = await connect_patiently(address, Patience(address, patience_seconds), purpose="migrate")
    try:
        return await _migrate(connection, address)
    except Exception as error:
        if judge(error) is Verdict.OTHER:
            raise
        raise translate(error, address) from error
    finally:
        await close(connection)


async def pending(address: Address | str, *, patience_seconds: float = 5.0) -> tuple[str, ...]:
    """Return the names of the migrations that a store has not had. Raises as `migrate`."""
    address = parse_address(address) if isinstance(address, str) else address
    connection = await connect_patiently(address, Patience(address, patience_seconds), purpose="migrate")
    try:
        applied = await _applied(connection, address)
    except Exception as error:
        if judge(error) is Verdict.OTHER:
            raise
        raise translate(error, address) from error
    finally:
        await close(connection)
    return tuple(each.name for each in missing(applied or (), migrations()))


async def check(connection: Connection, address: Address) -> None:
    """Check that a store's schema is the program's.

    Raises:
        SchemaError: it is newer or older, or there is none.
    """
    async with connection.transaction():
        applied = await _applied(connection, address)
    if applied is None:
        raise SchemaError(f"{address}: there is no store in schema {address.schema!r}", "Make it: holdfast migrate")
    if needed := missing(applied, migrations()):
        raise SchemaError(
            f"{address}: the store's schema is older than this program: it has not had migration {needed[0].name}",
            "Bring it up to date: holdfast migrate",
        )


async def _migrate(connection: Connection, address: Address) -> tuple[str, ...]:
    async with connection.transaction():
        if found := preamble(address):
            await connection.execute(found)
        await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        await connection.execute(f"SELECT pg_advisory_xact_lock({schema_lock(address.schema)})")
        if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", address.schema):
            await connection.execute(f'CREATE SCHEMA "{address.schema}"')
        applied = await _applied(connection, address)
        if applied is None:
            await connection.execute(_TABLE)
        needed = missing(applied or (), migrations())
        for each in needed:
            await connection.execute(each.text, timeout=MIGRATE_SECONDS_MAX)
            await connection.execute(_NOTE, each.number, each.name, each.checksum)
    return tuple(each.name for each in needed)


async def _applied(connection: Connection, address: Address) -> Sequence[tuple[int, str, str]] | None:
    """Return (number, name, checksum) of the migrations that were applied; None where there is no store."""
    if await connection.fetchval("SELECT to_regclass($1)", f'"{address.schema}".migrations') is None:
        return None
    rows = await connection.fetch(_APPLIED.replace("migrations", f'"{address.schema}".migrations', 1))
    return [(row[0], row[1], row[2]) for row in rows]
