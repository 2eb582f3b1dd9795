"""Servers as fixtures: one of each kind for all tests of a process, started when the first test asks for it.

Owns: how long they live, and what happens where their programs are missing.
Must not know: what any test does with them.

A test that stops, kills or pauses the shared server starts and resumes it again before it ends. One that does so often,
or needs settings of its own, makes its own `Postgres(...)` or `Redis(...)`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lost_answers import lossy
from tests.programs import go_without_program, require_package, require_program
from tests.servers import pgbouncer, postgres, redis, temporal
from tests.servers.pgbouncer import Pgbouncer
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis
from tests.servers.temporal import Temporal


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    """Return a PostgreSQL server that all tests of this process share."""
    if postgres.find_programs() is None:
        go_without_program("postgres", postgres.INSTALL)
    with Postgres() as server, lossy(server, request.config.getoption("lose_answers")):
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    """Return a Redis server that all tests of this process share."""
    require_program(redis.PROGRAM, redis.INSTALL)
    with Redis() as server:
        yield server


@pytest.fixture(scope="session")
def pgbouncer_server(postgres_server: Postgres) -> Iterator[Pgbouncer]:
    """Return a pooler in transaction mode in front of the PostgreSQL server."""
    if pgbouncer.find_program() is None:
        go_without_program(pgbouncer.PROGRAM, pgbouncer.INSTALL)
    with Pgbouncer(postgres_server) as pooler:
        yield pooler


@pytest.fixture(scope="session")
def temporal_server() -> Iterator[Temporal]:
    """Return a Temporal dev server that all tests of this process share."""
    require_package("temporalio", "temporal")
    if temporal.find_program() is None:
        # Not a failure under CI: its build takes longer than CI has, see scripts/servers.sh.
        pytest.skip(f"Temporal's CLI is not installed. To run this test: {temporal.INSTALL}")
    with Temporal() as server:
        temporal.warm_up(server.target)
        yield server


@pytest.fixture
def postgres_dsn(postgres_server: Postgres) -> Iterator[str]:
    """Return the address of a fresh database."""
    dsn = postgres_server.create_database()
    yield dsn
    postgres_server.drop_database(dsn)
