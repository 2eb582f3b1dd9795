"""Bad days of a fleet: one clear error each, at the start where it can be told there, and nothing is lost."""

from __future__ import annotations

import asyncio
import os
import signal
import socketserver
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner, Result

from holdfast import Client, Holdfast, RunHandle, task, workflow
from holdfast.cli import program
from holdfast.errors import StoreFullError
from holdfast.stores import migrate
from tests.servers.postgres import Postgres
from tests.servers.ward import free_port, harmless_user

ROOT: Final = Path(__file__).parents[2]
MODULE: Final = "tests.crash.everything"
STOPPED_SECONDS_MAX: Final = 10.0
"""A process that is told to stop while it waits does so at once; the rest is for a busy machine."""
SKEW_SECONDS: Final = 3_600.0
DISK_BYTES: Final = 48 * 1024 * 1024
BALLAST_BYTES: Final = 8 * 1024 * 1024
PAYLOAD_BYTES: Final = 100_000
STARTS_MAX: Final = 2_000


@task
async def double(number: int) -> int:
    """Work a little."""
    return 2 * number


@workflow
async def nap(seconds: float) -> int:
    """Sleep, and do a task."""
    await asyncio.sleep(seconds)
    return await double(21)


@workflow
async def keep(text: str) -> int:
    """Keep a large input."""
    return await double(len(text))


# --- What cannot be started is said, once ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """Where a fleet would be, and what else is there."""

    server: Postgres
    store: str
    web: str
    """Host and port of something that speaks HTTP."""

    def changed(self, sql: str) -> str:
        """Return the address of the store after something was done to it."""
        self.server.run(sql, urlsplit(self.store).path[1:])
        return self.store


@dataclass(frozen=True)
class BadDay:
    """What is wrong, and what has to be said."""

    name: str
    store: Callable[[Place], str]
    says: str
    remedy: str
    bus: Callable[[Place], str] = lambda _: "auto"


BAD_DAYS: Final = (
    BadDay("no database", lambda at: at.store.rpartition("/")[0], "names no database", "PGDATABASE"),
    BadDay("misspelt", lambda at: f"{at.store}?sslmod=require", "'sslmod'", "Did you mean sslmode"),
    BadDay("another database", lambda at: at.store + "x", "there is no database", "createdb"),
    BadDay("wrong password", lambda at: at.store.replace("holdfast:", "holdfast:x"), "refuses the login", "password"),
    BadDay(
        "an older schema",
        lambda at: at.changed("DELETE FROM holdfast.migrations WHERE number > 5"),
        "0006_",
        "holdfast migrate",
    ),
    BadDay(
        "a newer schema",
        lambda at: at.changed("INSERT INTO holdfast.migrations VALUES (9999, 'x', 'y', now())"),
        "newer",
        "pip install --upgrade holdfast",
    ),
    BadDay(
        "a Redis that is none",
        lambda at: at.store,
        "is no bus for us",
        "`bus`",
        lambda at: f"redis://{at.web}/0",
    ),
)


def call(*arguments: str) -> Result:
    """Call the command line."""
    return CliRunner().invoke(program, arguments)


class _WebServer(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        """Answer as a web server does that is asked for something strange."""
        self.request.recv(65_536)
        self.request.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    """Return host and port of something that speaks HTTP."""
    with socketserver.TCPServer(("127.0.0.1", 0), _WebServer) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        serving.join()


@pytest.mark.parametrize("day", BAD_DAYS, ids=[each.name for each in BAD_DAYS])
def test_what_is_wrong_is_one_clear_error(
    day: BadDay, postgres_server: Postgres, postgres_template: str, web: str
) -> None:
    """It says what is wrong and what to do, and shows no password; no process stays, and the exit status tells."""
    dsn = postgres_server.create_database(postgres_template)
    try:
        place = Place(postgres_server, dsn, web)
        ended = call("orchestrator", MODULE, "--store", day.store(place), "--bus", day.bus(place))
    finally:
        postgres_server.drop_database(dsn)
    assert ended.exit_code not in {0, 1}, ended.output
    words = " ".join(ended.stderr.split())
    assert day.says in words
    assert day.remedy in words
    assert "Traceback" not in ended.output
    assert str(urlsplit(dsn).password) not in ended.output.replace(f"holdfast:{urlsplit(dsn).password}@", "")


# --- What passes by itself is waited for ------------------------------------------------------------------------------


def test_a_process_that_waits_for_its_database_can_be_stopped() -> None:
    """It tries again and says so; told to stop, it does, long before it would have given up."""
    environment = {**os.environ, "HOLDFAST_STORE": f"postgresql://me:x@127.0.0.1:{free_port()}/work"}
    command = [sys.executable, "-m", "holdfast", "orchestrator", MODULE]
    with subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.PIPE, text=True) as waiting:
        assert waiting.stderr is not None
        assert "waiting for the server" in waiting.stderr.readline()
        waiting.send_signal(signal.SIGTERM)
        assert waiting.wait(STOPPED_SECONDS_MAX) == 0
        assert waiting.stderr.read() == ""


# --- What is wrong with one machine does not spoil the others --------------------------------------------------------

WITH_ANOTHER_CLOCK: Final = """
import runpy, sys, time
real, skew = time.time, float(sys.argv.pop(1))
time.time = lambda: real() + skew
runpy.run_module("holdfast", run_name="__main__")
"""


def test_a_clock_that_is_an_hour_off(postgres_server: Postgres, postgres_template: str) -> None:
    """The database's time counts: a timer of an orchestrator an hour behind is on time. Whose clock is off says so."""
    dsn = postgres_server.create_database(postgres_template)

    async def work() -> tuple[int, float]:
        async with await Client.connect(dsn, log_level="ERROR") as client:
            async with asyncio.timeout(60):
                handle = await client.start("nap", 1.5, id="nap")
                found = await handle.result()
            record = await client.store.run("nap")
            assert record is not None
            assert record.closed_at is not None
            return found, record.closed_at - record.created_at

    environment = {**os.environ, "HOLDFAST_STORE": dsn}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WITH_ANOTHER_CLOCK, str(skew), verb, "tests.acceptance.test_bad_days"],
            env=environment,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for verb, skew in (("orchestrator", -SKEW_SECONDS), ("worker", SKEW_SECONDS))
    ]
    try:
        found, took = asyncio.run(work())
    finally:
        for each in processes:
            each.terminate()
        said = [each.communicate()[1] for each in processes]
        postgres_server.drop_database(dsn)
    assert found == 42
    assert 1.5 <= took < 60, "neither early, nor an hour late"
    for words in said:
        assert words.count("this machine's clock is not the store's") == 1, words


# --- A disk that is full ---------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(postgres_server: Postgres) -> Iterator[Path]:
    """Have a database on a small file system of its own, for the server to fill."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small file system: sudo make test")
    # Not in pytest's own folder, which it keeps to itself: the server is another user.
    place = Path(tempfile.mkdtemp(prefix="holdfast-disk-"))
    place.chmod(0o755)
    user = harmless_user("postgres", "nobody")
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=777", "tmpfs", str(place)], check=True)
    try:
        (place / "data").mkdir()
        subprocess.run(["chown", f"{user}:", str(place / "data")], check=True)
        (place / "ballast").write_bytes(b"x" * BALLAST_BYTES)
        postgres_server.run(f"CREATE TABLESPACE small LOCATION '{place / 'data'}'")
        yield place
        postgres_server.run("DROP TABLESPACE small")
    finally:
        subprocess.run(["umount", str(place)], check=True)
        place.rmdir()


def _payload(number: int) -> str:
    """Return what no server can compress."""
    return Random(number).randbytes(PAYLOAD_BYTES).hex()


async def _start_until_refused(client: Client, accepted: list[RunHandle[int]]) -> StoreFullError:
    for number in range(STARTS_MAX):
        try:
            accepted.append(await client.start(keep, _payload(number), id=f"keep-{number}"))
        except StoreFullError as error:
            return error
    raise AssertionError("the disk was never full")


def test_a_full_database_disk(small_disk: Path, postgres_server: Postgres) -> None:
    """Who starts a run is told; what was acknowledged is there, and completes when there is room again."""
    postgres_server.run("CREATE DATABASE filled TABLESPACE small")
    dsn = postgres_server.dsn("filled")

    async def work() -> None:
        await migrate(dsn)
        accepted: list[RunHandle[int]] = []
        async with await Client.connect(dsn, log_level="ERROR") as client:
            refusal = await _start_until_refused(client, accepted)
            assert "disk of the server is full" in str(refusal)
            assert "nothing was lost" in str(refusal)
            (small_disk / "ballast").unlink()
            async with Holdfast(definitions=[keep, double], store=dsn, log_level="ERROR"):
                ends = [await each.result() for each in accepted]
            assert ends == [2 * len(_payload(number)) for number in range(len(accepted))]
            assert (await client.store.totals()).runs == {"COMPLETED": len(accepted)}

    try:
        asyncio.run(work())
    finally:
        postgres_server.drop_database(dsn)
