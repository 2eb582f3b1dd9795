"""Measure how fast signed deliveries are taken: `python -m benchmarks.webhooks`.

    python -m benchmarks.webhooks [--quick] [--json FILE] [--rounds N] [--store sqlite|postgres]

Owns: who sends, what is timed, and the bare route that stands beside the product.
Must not know: how a delivery is taken.

A controller on a durable SQLite file - or on a PostgreSQL of its own, on the same disk, as durable as it comes - takes
deliveries signed by Standard Webhooks: each one is verified, noted, and starts a run, in one commit, before it is
answered. Nobody runs the runs. Beside it, in the same run, a route of the
same framework and server that verifies the same signature and does nothing else. Whoever sends has 64 connections,
sends the next delivery when it has the answer to the one before, and shares the machine with the server.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import uvicorn
from fastapi import FastAPI, Request, Response

from benchmarks.machine import describe_machine
from benchmarks.replay import Report, _tell, _tell_ratio
from benchmarks.rows import OURS, Row, Sample, compare, percentiles, summarize
from benchmarks.subject import ROOT
from holdfast import Registry, StandardWebhooks, webhook, workflow
from holdfast.app import load_settings, serving
from holdfast.errors import SignatureError
from holdfast.stores import migrate
from tests.servers.postgres import Postgres

CASE: Final = "webhooks"
BARE: Final = "bare"
"""What a FastAPI route that only verifies the signature is called among the systems."""
VARIABLE: Final = "HOLDFAST_BENCHMARK_HOOK"
SECRET: Final = "whsec_" + b64encode(b"a secret of twenty-four.").decode()
PATH: Final = "/v1/hooks/pay"
CONNECTIONS: Final = 64
DELIVERIES: Final = 10_000
ROUNDS: Final = 5
QUICK_DELIVERIES: Final = 200
SYNCS: Final = 300
STORES: Final = ("sqlite", "postgres")

VERIFY: Final = StandardWebhooks(f"env:{VARIABLE}", tolerance="1h")


@webhook("pay", verify=VERIFY, on="charge.succeeded", id="pay-{body.data.object.id}", input="body.data.object")
@workflow
async def charge(payment: dict[str, Any]) -> None:
    """Be started: nobody runs it."""


def requests(first: int, count: int) -> list[bytes]:
    """Return signed deliveries, byte by byte as they are sent; each has an id of its own."""
    key = b"a secret of twenty-four."
    at = int(time.time())
    made = []
    for number in range(first, first + count):
        item = {"id": f"ch_{number}", "amount": number, "currency": "eur", "customer": "cus_9s6XKzkNRiz8i3"}
        body = msgspec.json.encode({"type": "charge.succeeded", "livemode": True, "data": {"object": item}})
        made.append(_request(key, f"msg_{number}", at, body))
    return made


def _request(key: bytes, name: str, at: int, body: bytes) -> bytes:
    import hmac

    signature = b64encode(hmac.digest(key, f"{name}.{at}.".encode() + body, "sha256")).decode()
    head = (
        f"POST {PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nwebhook-id: {name}\r\nwebhook-timestamp: {at}\r\n"
        f"webhook-signature: v1,{signature}\r\nuser-agent: benchmark\r\n\r\n"
    )
    return head.encode() + body


class Sender(asyncio.Protocol):
    """One connection that sends a delivery when the one before was answered."""

    def __init__(self, waiting: list[bytes], seconds: list[float], done: asyncio.Future[None]) -> None:
        """Take deliveries from `waiting`, and add how long each took to `seconds`."""
        self._waiting = waiting
        self._seconds = seconds
        self._done = done
        self._began = 0.0
        self._received = b""

    def connection_made(self, transport: Any) -> None:
        """Begin."""
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        """Read an answer: its head, and as much as that says."""
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        self._seconds.append(time.perf_counter() - self._began)
        if not head.startswith(b"HTTP/1.1 202"):
            self._end(AssertionError(self._received.decode()))
            return
        self._received = b""
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._end(exc or AssertionError("the server closed the connection"))

    def _send(self) -> None:
        if not self._waiting:
            self._end(None)
            return
        self._began = time.perf_counter()
        self._transport.write(self._waiting.pop())

    def _end(self, error: Exception | None) -> None:
        if not self._done.done():
            if error is None:
                self._done.set_result(None)
            else:
                self._done.set_exception(error)
            self._transport.close()


async def send(url: str, waiting: list[bytes]) -> tuple[float, list[float]]:
    """Send all deliveries over CONNECTIONS connections; return seconds, altogether and of each."""
    loop = asyncio.get_running_loop()
    address = urlsplit(url)
    seconds: list[float] = []
    futures: list[asyncio.Future[None]] = [loop.create_future() for _ in range(CONNECTIONS)]
    began = time.perf_counter()
    for each in futures:
        await loop.create_connection(lambda each=each: Sender(waiting, seconds, each), address.hostname, address.port)
    await asyncio.gather(*futures)
    return time.perf_counter() - began, seconds


@asynccontextmanager
async def served(system: str, address: str) -> AsyncIterator[str]:
    """Give the URL of a server in a process of its own; `address` is of its store."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.webhooks", "--serve", system, "--address", address),
        cwd=ROOT,
        env={**os.environ, VARIABLE: SECRET},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.stdin.close()  # its leash
        await process.wait()


@contextmanager
def fresh(store: str, base: Path) -> Iterator[Callable[[], AbstractContextManager[str]]]:
    """Give what lends the address of an empty store, again and again; its server runs while the block lasts."""
    if store == "sqlite":

        @contextmanager
        def file() -> Iterator[str]:
            with tempfile.TemporaryDirectory(dir=base) as folder:
                yield f"sqlite:///{folder}/store.db"

        yield file
        return
    with Postgres() as server:

        @contextmanager
        def database() -> Iterator[str]:
            dsn = server.create_database()
            try:
                yield dsn
            finally:
                server.drop_database(dsn)

        yield database


async def measure(
    deliveries: int, rounds: int, lend: Callable[[], AbstractContextManager[str]]
) -> dict[str, list[Sample]]:
    """Return what was measured of each system, round by round, one after the other."""
    samples: dict[str, list[Sample]] = {OURS: [], BARE: []}
    for turn in range(rounds):
        for system, found in samples.items():
            with lend() as address:
                async with served(system, address) as url:
                    await send(url, requests(0, max(CONNECTIONS, deliveries // 20)))
                    took, seconds = await send(url, requests(1_000_000 * (turn + 1), deliveries))
            found += [Sample("deliveries", "deliveries/s", (deliveries / took,), deliveries)]
            found += [each for each in percentiles("", seconds) if each.metric in {"p50", "p99"}]
    return samples


def bare() -> FastAPI:
    """Return an application with one route, which verifies the signature and nothing else."""
    app = FastAPI(openapi_url=None)

    @app.post(PATH, status_code=202)
    async def take(request: Request) -> Response:
        body = await request.body()
        try:
            VERIFY.verify(request.scope["headers"], body, now=datetime.now(UTC))
        except SignatureError:
            return Response(status_code=401)
        return Response(b'{"state":"accepted"}', 202, media_type="application/json")

    return app


async def serve(system: str, address: str) -> None:
    """Be a server until the leash is let go."""
    if system == OURS:
        if not address.startswith("sqlite"):
            await migrate(address)
        settings = load_settings(store=address, port=0, log_level="ERROR")
        async with serving(settings, Registry(charge), (), http=True) as started:
            print(started.url, flush=True)
            await asyncio.to_thread(sys.stdin.read)
        return
    options = {"http": "h11", "ws": "none", "log_config": None, "access_log": False, "server_header": False}
    server = uvicorn.Server(uvicorn.Config(bare(), host="127.0.0.1", port=0, **options))
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - it has no event of its own
        await asyncio.sleep(0)
    print(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.should_exit = True
    await running


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, tell, and write; return 0."""
    given = _parser().parse_args(arguments)
    if given.serve:
        asyncio.run(serve(given.serve, given.address))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        machine = describe_machine(Path(folder), SYNCS)
        print(*machine.lines(), sep="\n")
        deliveries = QUICK_DELIVERIES if given.quick else DELIVERIES
        about = (
            "to see that it runs" if given.quick else f"{CONNECTIONS} connections, each durable before it is answered"
        )
        print(f"\n{CASE} on {given.store}: {deliveries:,} signed deliveries, {about}")
        with fresh(given.store, Path(folder)) as lend:
            samples = asyncio.run(measure(deliveries, 1 if given.quick else given.rounds, lend))
    rows: list[Row] = []
    for system, found in samples.items():
        rows += _tell(summarize(CASE, system, found))
    for ratio in compare(rows):
        _tell_ratio(ratio)
    if given.json is not None:
        report = Report(machine, given.quick, tuple(rows))
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.webhooks")
    parser.add_argument("--quick", action="store_true", help="a smoke test: few deliveries, once")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help="how often each system is measured")
    parser.add_argument("--store", choices=STORES, default=STORES[0], help="what the deliveries are written to")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--address", default="", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
