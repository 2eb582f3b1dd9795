"""A schema with an empty store for each test of the store on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.postgres import Ground, prepare
from tests.servers.postgres import Postgres


@pytest.fixture(scope="session")
def ground(postgres_server: Postgres) -> Iterator[Ground]:
    """Return a database whose store is emptied before each test that asks for `dsn`."""
    ground = prepare(postgres_server)
    yield ground
    postgres_server.drop_database(ground.dsn.partition("?")[0])


@pytest.fixture
def dsn(ground: Ground) -> str:
    """Return the address of an empty store."""
    ground.clear()
    return ground.dsn
