"""Measure what a call through `holdfast.http` costs beside the bare client: `python -m benchmarks.outbound`.

    python -m benchmarks.outbound [--quick] [--json FILE] [--rounds N]

Owns: who is called, what is timed.
Must not know: how a call is made.

A server in a process of its own answers every request with the same 2 KiB of JSON. One caller asks for it, one call
after the other over one connection: by httpx, by `http.get`, by `http.get(expect=...)`, which checks the answer, and by
`http.get` where the host's contract was learned, which it is held against.
Counted is the processor time of the caller's process for each call, which is what a fleet pays; waiting costs it
nothing. The four take turns of a few calls each, so that a machine that becomes slower becomes so for all of them; what
one costs more than httpx is counted in each round by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
from pydantic import BaseModel

from benchmarks.machine import describe_machine
from benchmarks.replay import Report, _tell
from benchmarks.rows import OURS, Row, Sample, summarize
from holdfast.http import Http, http
from holdfast.testing.fake_api import FakeApi

CASE: Final = "outbound"
BARE: Final = "httpx"
CHECKED: Final = "checked"
"""What calls that say what they expect are called among the systems."""
LEARNED: Final = "learned"
"""What calls whose contract was learned are called."""
MORE: Final = "more cpu"
"""What a call costs beside one of httpx."""
CALLS: Final = 2_000
QUICK_CALLS: Final = 50
TURN_CALLS: Final = 25
"""How many calls one makes before it is the next one's turn."""
ROUNDS: Final = 7
SYNCS: Final = 100
PATH: Final = "/charges"
BODY_BYTES: Final = 2_048


class Line(BaseModel):
    """A part of the answer."""

    id: str
    cents: int
    paid: bool


class Bill(BaseModel):
    """The answer."""

    id: str
    lines: list[Line]


def body() -> dict[str, Any]:
    """Return the answer: 2 KiB of JSON."""
    lines: list[dict[str, Any]] = []
    while len(msgspec.json.encode({"id": "bill-1", "lines": lines})) < BODY_BYTES:
        lines.append({"id": f"line-{len(lines):04}", "cents": len(lines) * 100, "paid": True})
    return {"id": "bill-1", "lines": lines}


def serve() -> None:
    """Answer until standard input ends."""
    with FakeApi() as api:
        answer = body()
        api.route("GET", PATH, lambda _: answer)
        print(api.url, flush=True)
        sys.stdin.read()


@contextmanager
def served() -> Iterator[str]:
    """Start the server; yield its address."""
    command = [sys.executable, "-m", "benchmarks.outbound", "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.stdin.close()


async def measure(url: str, calls: int, rounds: int) -> dict[str, list[Sample]]:
    """Return the processor time of a call in microseconds, by who makes it."""
    host = url.removeprefix("http://")
    http.host(host, private=True)
    learning = Http()
    learning.host(host, private=True, contract="learn", learn_from=1)
    async with httpx.AsyncClient(trust_env=False) as client:

        async def bare() -> None:
            (await client.get(f"{url}{PATH}")).raise_for_status()

        async def ours() -> None:
            await http.get(f"{url}{PATH}")

        async def checked() -> None:
            await http.get(f"{url}{PATH}", expect=Bill)

        async def learned() -> None:
            await learning.get(f"{url}{PATH}")

        systems: dict[str, Callable[[], Awaitable[None]]] = {
            BARE: bare,
            OURS: ours,
            CHECKED: checked,
            LEARNED: learned,
        }
        samples: dict[str, list[Sample]] = {system: [] for system in systems}
        for call in systems.values():
            await call()
        for _ in range(rounds):
            spent = dict.fromkeys(systems, 0.0)
            for _ in range(calls // TURN_CALLS):
                for system, call in systems.items():
                    began = time.process_time()
                    for _ in range(TURN_CALLS):
                        await call()
                    spent[system] += time.process_time() - began
            for system, seconds in spent.items():
                samples[system].append(Sample("cpu", "us", (seconds / calls * 1e6,), calls))
                if system != BARE:
                    more = (seconds - spent[BARE]) / calls * 1e6
                    samples[system].append(Sample(MORE, "us", (more,), calls))
    return samples


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, tell, and write; return 0."""
    given = _parser().parse_args(arguments)
    if given.serve:
        serve()
        return 0
    with tempfile.TemporaryDirectory() as folder:
        machine = describe_machine(Path(folder), SYNCS)
    print(*machine.lines(), sep="\n")
    calls = QUICK_CALLS if given.quick else CALLS
    print(f"\n{CASE}: {calls:,} calls of {BODY_BYTES:,} bytes, processor time of the caller for each")
    with served() as url:
        samples = asyncio.run(measure(url, calls, 1 if given.quick else given.rounds))
    rows: list[Row] = []
    for system, found in samples.items():
        rows += _tell(summarize(CASE, system, found))
    for row in rows:
        if row.metric == MORE:
            print(f"{CASE}: {row.system} takes {row.value:+,.0f} us of processor time beside {BARE}")
    if given.json is not None:
        report = Report(machine, given.quick, tuple(rows))
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.outbound")
    parser.add_argument("--quick", action="store_true", help="a smoke test: few calls, once")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help="how often each system is measured")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
