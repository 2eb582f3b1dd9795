"""A fleet on PostgreSQL: processes as people start them, killed as machines kill them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from holdfast.app import Client
from holdfast.cli import program
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis
from tests.unit.worker.rig import pause

ROOT = Path(__file__).parents[2]
MODULE = "tests.crash.everything"
LEASE_SECONDS = 4.0
"""Short, but not so short that a busy machine takes the living for dead."""
PATIENCE_SECONDS = 150.0


def call(*arguments: str) -> Result:
    """Call the command line."""
    return CliRunner().invoke(program, arguments)


def expected(number: int) -> int:
    """Return what a run of `Everything` ends with."""
    return 4 * number + 2 * sum(range(4)) + number


@pytest.fixture
def store(postgres_dsn: str) -> str:
    """Return the address of a store whose tables are there."""
    assert call("migrate", "--store", postgres_dsn).exit_code == 0
    return postgres_dsn


class Fleet:
    """Processes that were started by the command line."""

    def __init__(self, store: str, bus: str) -> None:
        self._environment = {
            **os.environ,
            "HOLDFAST_STORE": store,
            "HOLDFAST_BUS": bus,
            "HOLDFAST_LEASE_SECONDS": str(LEASE_SECONDS),
            "HOLDFAST_DRAIN_SECONDS": "1",
        }
        self._processes: list[subprocess.Popen[str]] = []

    async def start(self, *verbs: tuple[str, ...]) -> list[tuple[subprocess.Popen[str], dict[str, Any]]]:
        """Start processes, and return each with what it announces."""
        started = [self._start(verb) for verb in verbs]
        self._processes += started
        return [(each, await asyncio.to_thread(_announced, each)) for each in started]

    def _start(self, verb: tuple[str, ...]) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "holdfast", *verb, "--json"]
        return subprocess.Popen(command, env=self._environment, cwd=ROOT, stdout=subprocess.PIPE, text=True)

    def kill(self, process: subprocess.Popen[str]) -> None:
        """End a process as the end of its machine would."""
        process.kill()
        process.wait()

    def end(self) -> None:
        """End all that still run, in good order."""
        for each in self._processes:
            if each.poll() is None:
                each.send_signal(signal.SIGTERM)
        for each in self._processes:
            each.wait(30)
            assert each.stdout is not None
            each.stdout.close()


def _announced(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, f"it ended with {process.wait()}"
    return dict(json.loads(line))


@asynccontextmanager
async def fleet(store: str, bus: str) -> AsyncIterator[tuple[Fleet, Client]]:
    """Give a fleet without processes, and a client; end both."""
    processes = Fleet(store, bus)
    try:
        async with await Client.connect(store, bus=bus, log_level="ERROR") as client:
            yield processes, client
    finally:
        await asyncio.to_thread(processes.end)


async def until(holds: Callable[[], Awaitable[Any]]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await holds():
            await pause()


async def results(client: Client, count: int) -> list[int]:
    """Have all runs end, and return how."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        return [await client.handle(f"run-{number}").result() for number in range(count)]


def test_a_fleet_survives_the_death_of_one_of_each(store: str, redis_server: Redis) -> None:
    """A controller, an orchestrator and a worker are killed in the middle of everything, and every run ends well."""
    count = 4

    async def test() -> None:
        async with fleet(store, redis_server.url) as (processes, client):
            controller, orchestrator, _, worker, _ = await processes.start(
                ("controller", MODULE, "--port", "0"),
                ("orchestrator", MODULE),
                ("orchestrator", MODULE),
                ("worker", MODULE, "--pool", "default=4"),
                ("worker", MODULE, "--pool", "default=4"),
            )
            async with httpx.AsyncClient(base_url=controller[1]["url"], trust_env=False) as http:
                for number in range(count):
                    answer = await http.post(f"/v1/workflows/Everything/runs?id=run-{number}", json=number)
                    assert answer.status_code == 201, answer.text
            names = {orchestrator[1]["member"], worker[1]["member"]}

            async def busy() -> bool:
                members = [each for each in await client.store.members() if each.name in names]
                return all(each.runs or each.tasks for each in members) and len(members) == len(names)

            await until(busy)
            for each in (controller, orchestrator, worker):
                processes.kill(each[0])
            for number in range(count):
                await client.handle(f"run-{number}").signal("agree")
            assert await results(client, count) == [expected(number) for number in range(count)]

    asyncio.run(test())


@pytest.mark.parametrize("bus", ["auto", "polling"])
def test_a_fleet_needs_no_redis(store: str, bus: str) -> None:
    """With the bell of PostgreSQL, or by looking alone, every run ends well."""
    count = 3

    async def test() -> None:
        async with fleet(store, bus) as (processes, client):
            await processes.start(("orchestrator", MODULE), ("worker", MODULE))
            for number in range(count):
                await client.start("Everything", number, id=f"run-{number}")
                await client.handle(f"run-{number}").signal("agree")
            assert await results(client, count) == [expected(number) for number in range(count)]

    asyncio.run(test())


def test_a_store_without_tables_is_refused(postgres_dsn: str) -> None:
    """Nobody makes tables in passing: what starts says which command does; doctor and `migrate --check` know."""
    refused = call("orchestrator", MODULE, "--store", postgres_dsn)
    assert refused.exit_code == 5
    assert "holdfast migrate" in refused.stderr
    assert _password(postgres_dsn) not in refused.output
    checked = call("migrate", "--check", "--store", postgres_dsn, "--json")
    assert (checked.exit_code, "0001_" in json.loads(checked.stdout)["pending"]) == (1, True)
    examined = _findings(call("doctor", "--store", postgres_dsn, "--json"))
    assert not examined["schema"]["ok"]
    done = call("migrate", "--store", postgres_dsn, "--json")
    assert (done.exit_code, "0001_" in json.loads(done.stdout)["applied"]) == (0, True)
    assert "up to date" in json.loads(call("migrate", "--store", postgres_dsn, "--json").stdout)["applied"]


def test_doctor_examines_a_fleet(store: str, redis_server: Redis) -> None:
    """Doctor looks at server, schema, permissions, clock and bus; a bus that is none is told."""
    good = call("doctor", "--store", store, "--bus", redis_server.url, "--json")
    findings = _findings(good)
    assert good.exit_code == 0, findings
    assert {"server", "writable", "durability", "connections", "schema", "permissions", "clock", "bus"} <= set(findings)
    assert "a ring takes" in findings["bus"]["found"]
    assert _password(store) not in good.output
    bad = call("doctor", "--store", store, "--bus", "redis://127.0.0.1:1/0", "--json")
    assert bad.exit_code == 1
    assert not _findings(bad)["bus"]["ok"]


def test_verify_follows_histories_on_a_server(store: str, postgres_server: Postgres) -> None:
    """A page that was changed beneath the program is found."""

    async def test() -> None:
        from holdfast import Holdfast
        from tests.crash.everything import Everything, double

        async with Holdfast(definitions=[Everything, double], store=store, bus="polling", log_level="ERROR") as app:
            assert await (await app.client.submit(double, 21, id="one")).result() == 42

    asyncio.run(test())
    assert call("verify", "--store", store).exit_code == 0
    name = store.rpartition("/")[2]
    postgres_server.run("UPDATE holdfast.events SET body = set_byte(body, 3, get_byte(body, 3) # 1)", name)
    assert call("verify", "--store", store).exit_code == 1


def _findings(examined: Result) -> dict[str, dict[str, Any]]:
    return {each["check"]: each for each in json.loads(examined.stdout)["items"]}


def _password(dsn: str) -> str:
    return dsn.partition("@")[0].rpartition(":")[2]
