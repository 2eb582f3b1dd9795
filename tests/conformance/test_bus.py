"""Every bus does what `holdfast.testing.conformance.bus` says a bus does."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from holdfast.testing.conformance.bus import CHECKS, OUTAGES, Check, OutageCheck
from tests.conformance.buses import FailingHarness, Harness, hasty
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis

__all__ = ["hasty"]


def run(check: Any, harness: Harness) -> None:
    """Run a check, and leave nothing open."""

    async def body() -> None:
        try:
            await check(harness)
        finally:
            await harness.close()

    asyncio.run(body())


def name_of(check: Any) -> str:
    """Return what a check is called."""
    return str(check.__name__)


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_local(check: Check, tmp_path: Path) -> None:
    """Sockets beside a file keep the promise that the check names."""
    run(check, Harness("local", str(tmp_path)))


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_redis(check: Check, redis_server: Redis) -> None:
    """Redis keeps the promise that the check names."""
    run(check, Harness("redis", redis_server.url))


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_notify(check: Check, postgres_server: Postgres) -> None:
    """NOTIFY keeps the promise that the check names."""
    run(check, Harness("notify", postgres_server.dsn()))


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("check", OUTAGES, ids=name_of)
def test_redis_fails(check: OutageCheck, redis_server: Redis) -> None:
    """A Redis that fails costs time and nothing else."""
    run(check, FailingHarness("redis", redis_server.url, redis_server))


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("check", OUTAGES, ids=name_of)
def test_notify_fails(check: OutageCheck, postgres_server: Postgres) -> None:
    """A PostgreSQL that fails costs time and nothing else."""
    run(check, FailingHarness("notify", postgres_server.dsn(), postgres_server))
