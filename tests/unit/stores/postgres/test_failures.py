"""A server that cannot be used is one clear error, with remedy and without password; what passes is waited for."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Iterator

import pytest

from holdfast.errors import HoldfastError, SchemaError, StoreBusyError, StoreError
from holdfast.stores import PostgresStore, migrate
from tests.conformance.postgres import database_of
from tests.servers.postgres import Postgres

SECRET = "hunter2hunter2"
IMPATIENT = 0.05


def opening(dsn: str) -> HoldfastError:
    """Return what opening a store raises."""

    async def run() -> None:
        store = PostgresStore(dsn, patience_seconds=IMPATIENT)
        try:
            await store.open()
        finally:
            await store.close()

    with pytest.raises(HoldfastError) as caught:
        asyncio.run(run())
    said = f"{caught.value}"
    assert SECRET not in said
    assert "\n" in said, "it says what to do"
    return caught.value


@pytest.fixture
def role(postgres_server: Postgres) -> Iterator[str]:
    """Return a role that may log in, once at a time, and nothing else."""
    name = f"r{secrets.token_hex(4)}"
    postgres_server.run(f"CREATE ROLE {name} LOGIN PASSWORD '{SECRET}' CONNECTION LIMIT 1")
    yield name
    postgres_server.run(f"DROP ROLE {name}")


def as_role(dsn: str, role: str) -> str:
    """Return the address for another role."""
    return f"postgresql://{role}:{SECRET}@{dsn.rpartition('@')[2]}"


def test_a_wrong_password(postgres_server: Postgres, role: str) -> None:
    """It is said that the login is refused, whose it is, and not what was tried."""
    error = opening(postgres_server.dsn().replace("holdfast:", "holdfast:not"))
    assert "refuses the login" in str(error)
    assert "password" in str(error)


def test_a_database_that_is_not_there(postgres_server: Postgres) -> None:
    """Its name is said, and how to make it."""
    error = opening(postgres_server.dsn("nowhere"))
    assert "no database 'nowhere'" in str(error)
    assert "createdb nowhere" in str(error)


def test_nobody_listens() -> None:
    """It is said after a while that the server cannot be reached."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        error = opening(f"postgresql://me:{SECRET}@127.0.0.1:{taken.getsockname()[1]}/work")
    assert type(error) is StoreError
    assert "cannot be reached" in str(error)


def test_somebody_else_listens() -> None:
    """Whoever hangs up instead of speaking PostgreSQL's language cannot be reached either."""

    async def run() -> str:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        store = PostgresStore(f"postgresql://me:{SECRET}@127.0.0.1:{port}/work", patience_seconds=IMPATIENT)
        async with server:
            with pytest.raises(StoreError) as caught:
                await store.open()
        return str(caught.value)

    assert "cannot be reached" in asyncio.run(run())


def test_no_permission(dsn: str, role: str) -> None:
    """A role that may not use the schema is told what it needs."""
    error = opening(as_role(dsn, role))
    assert not isinstance(error, SchemaError)
    assert "may not do that" in str(error)
    assert "schema 'holdfast'" in str(error)


def test_no_permission_to_make_a_schema(postgres_dsn: str, role: str) -> None:
    """Nor may everybody migrate."""
    with pytest.raises(StoreError, match="may not do that"):
        asyncio.run(migrate(as_role(postgres_dsn, role)))


def test_no_connection_left(postgres_server: Postgres, dsn: str, role: str) -> None:
    """It is waited for one; when none comes free in time, that is the error, and a busy one."""
    database = database_of(dsn)
    postgres_server.run(
        f"GRANT USAGE ON SCHEMA holdfast TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA holdfast TO {role}", database
    )

    async def run() -> None:
        first, second = PostgresStore(as_role(dsn, role)), PostgresStore(as_role(dsn, role))
        hasty = PostgresStore(as_role(dsn, role), patience_seconds=IMPATIENT)
        await first.open()
        with pytest.raises(StoreBusyError, match="max_connections"):
            await hasty.open()
        waits = asyncio.create_task(second.open())
        await asyncio.sleep(0)
        await first.close()
        await waits
        await second.close()

    try:
        asyncio.run(run())
    finally:
        postgres_server.run(f"DROP OWNED BY {role}", database)


def test_a_server_that_is_starting_is_waited_for(postgres_server: Postgres, dsn: str) -> None:
    """Whoever is started together with its database, or before it, opens as soon as that is up."""
    postgres_server.stop()

    async def run() -> None:
        store = PostgresStore(dsn)
        opened = asyncio.create_task(store.open())
        await asyncio.to_thread(postgres_server.start)
        await opened
        assert await store.now() > 0
        await store.close()

    with contextlib.ExitStack() as stack:
        stack.callback(postgres_server.start)
        asyncio.run(run())
        stack.pop_all()


def test_a_store_that_is_not_open() -> None:
    """Reads and writes say so."""
    store = PostgresStore("postgresql:///work")
    for use in (store.write([]), store.totals()):
        with pytest.raises(StoreError, match="is not open"):
            asyncio.run(use)
