"""Measure what the dashboard costs where there is much to show: `python -m benchmarks.dashboard`.

    python -m benchmarks.dashboard [--quick] [--json FILE] [--rounds N]

Owns: the crowded store, who looks at what, and what is timed.
Must not know: what stands on a page.

A store on disk has one run of 50,000 events, which still waits, and a million others. Everything is served by one
process, as `holdfast dev` does. The system's Chromium opens each page anew, with nothing kept from before: first paint
is when something of it is seen, by the browser's own clock. Memory is the process's before and after many pages. Then
two hundred dashboards are left open on the idle stack, and the process's time on the CPU is taken with and without.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import apsw
import msgspec
from playwright.sync_api import Browser, sync_playwright

from benchmarks.machine import describe_machine
from benchmarks.replay import Report, _tell
from benchmarks.rows import OURS, Sample, summarize
from benchmarks.subject import ROOT
from holdfast import Holdfast, Registry, signal, task, workflow
from holdfast.app import ROLES, load_settings, serving
from holdfast.errors import RunFailedError

CASE: Final = "dashboard"
EVENTS: Final = 50_000
RUNS: Final = 1_000_000
OPEN: Final = 200
LOADS: Final = 300
MORE: Final = 3
IDLE_SECONDS: Final = 20.0
ROUNDS: Final = 5
QUICK: Final = {"events": 400, "runs": 1_000, "open": 8, "loads": 10, "idle_seconds": 0.5, "rounds": 1}
MODELS: Final = 100
"""How many runs are made by running them; the others are made like these."""
ABREAST: Final = 500
PAGES: Final = {
    "overview": "/",
    "runs": "/runs",
    "failed_runs": "/runs?status=FAILED",
    "long_run": "/runs/long",
    "long_run_first_part": "/runs/long?page=1",
    "long_run_middle_part": "/runs/long?page=100",
}
STREAMS: Final = ("/live", "/runs/live", "/fleet/live", "/runs/long/live")
"""What open dashboards listen to, by turns."""
CHROMIUM: Final = "chromium"
SEEN: Final = """() => new Promise(done => {
    const look = () => {
        const [seen] = performance.getEntriesByName("first-contentful-paint");
        if (seen) done(seen.startTime); else requestAnimationFrame(look);
    };
    look();
})"""
"""Answers when a page was first seen. It is asked as a whole: pages let nothing be evaluated later (their CSP)."""


@task
async def step(number: int) -> int:
    """Do next to nothing."""
    return number


@workflow
class Long:
    """Take many steps, and wait."""

    def __init__(self) -> None:
        self.told = asyncio.Event()

    async def run(self, steps: int) -> None:
        """Take them, some hundred at a time."""
        for first in range(0, steps, ABREAST):
            await asyncio.gather(*(step(each) for each in range(first, min(first + ABREAST, steps))))
        await self.told.wait()

    @signal
    def go_on(self) -> None:
        """End."""
        self.told.set()


@workflow
async def short(number: int) -> int:
    """Take a step; every tenth fails."""
    if number % 10 == 0:
        raise ValueError(f"number {number} is one too many")
    return await step(number)


DEFINITIONS: Final = (Long, short, step)


async def crowd(address: str, events: int) -> None:
    """Make the long run, and the runs that all others are made like."""
    roles = ("orchestrator", "worker")
    async with Holdfast(definitions=DEFINITIONS, store=address, roles=roles, log_level="CRITICAL") as app:
        long = await app.client.start(Long, events // 2, id="long")
        others = [await app.client.start(short, number, id=f"model-{number}") for number in range(MODELS)]
        for each in others:
            with suppress(RunFailedError):
                await each.result()
        while len(await long.history()) < events:  # noqa: ASYNC110 - it is looked at from outside
            await asyncio.sleep(0.5)


def multiply(path: Path, runs: int) -> None:
    """Make runs like those that were run, until there are so many."""
    connection = apsw.Connection(str(path))
    names = [row[1] for row in connection.execute("PRAGMA table_info(executions)")]
    kept = [each for each in names if each not in {"id", "run_id", "created_at"}]
    connection.execute(
        f"""
        WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1)
        INSERT INTO executions (run_id, created_at, {", ".join(kept)})
        SELECT 'run-' || n, created_at + n * 0.001, {", ".join(kept)}
        FROM numbers JOIN executions ON run_id = 'model-' || (n % ?2) AND number = 1
        """,
        (runs, MODELS),
    )
    connection.execute("ANALYZE")
    connection.close()


@contextmanager
def served(address: str) -> Iterator[tuple[str, int]]:
    """Give the URL of a stack in a process of its own, and the process's id."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.dashboard", "--serve", address],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip(), process.pid
    finally:
        process.stdin.close()  # its leash
        process.wait()
        process.stdout.close()


async def serve(address: str) -> None:
    """Be a stack until the leash is let go."""
    settings = load_settings(store=address, port=0, log_level="ERROR")
    async with serving(settings, Registry(*DEFINITIONS), ROLES, http=True) as started:
        print(started.url, flush=True)
        await asyncio.to_thread(sys.stdin.read)


def paint(browser: Browser, url: str, path: str) -> tuple[float, int]:
    """Open a page as somebody who was never here; return milliseconds to its first paint, and its bytes."""
    context = browser.new_context(base_url=url)
    try:
        page = context.new_page()
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
        return float(page.evaluate(SEEN)), len(answer.body())
    finally:
        context.close()


def paints(url: str, rounds: int) -> list[Sample]:
    """Return how soon each page is seen, and how large it is."""
    samples = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which(CHROMIUM), args=["--no-sandbox"])
        paint(browser, url, "/login")  # what the browser itself does the first time
        for name, path in PAGES.items():
            found = [paint(browser, url, path) for _ in range(rounds)]
            samples.append(Sample(f"first_paint_{name}", "ms", tuple(took for took, _ in found)))
            samples.append(Sample(f"page_{name}", "KiB", (max(size for _, size in found) / 1024,)))
        browser.close()
    return samples


def memory(url: str, pid: int, loads: int) -> list[Sample]:
    """Return how much memory the process has after many pages, and how much more after three times as many again.

    What is made once, or kept up to a limit, is there after the first of them; what pages leave for ever is not.
    """
    paths = list(PAGES.values())
    sizes = []
    for count in (loads, MORE * loads):
        for number in range(count):
            _get(url + paths[number % len(paths)])
        sizes.append(_resident_mib(pid))
    before, after = sizes
    return [
        Sample("memory", "MiB", (after,)),
        Sample("memory_more_after_pages", "MiB", (after - before,), MORE * loads),
    ]


def idle(url: str, pid: int, count: int, seconds: float) -> list[Sample]:
    """Return how much of a core the process takes with nobody there, and with `count` dashboards open."""
    alone = _busy_percent(pid, seconds)
    address = urlsplit(url)
    with ExitStack() as block:
        for number in range(count):
            line = socket.create_connection((address.hostname, address.port))
            block.callback(line.close)
            path = STREAMS[number % len(STREAMS)]
            line.sendall(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
            assert line.recv(12) == b"HTTP/1.1 200"
        _busy_percent(pid, seconds / 4)  # they have arrived
        crowded = _busy_percent(pid, seconds)
    return [
        Sample("core_with_none_open", "%", (alone,)),
        Sample("core_with_all_open", "%", (crowded,), count),
        Sample("core_for_those_open", "%", (max(crowded - alone, 0.0),), count),
    ]


def _get(address: str) -> None:
    with urllib.request.urlopen(address) as answer:
        answer.read()


def _resident_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _busy_percent(pid: int, seconds: float) -> float:
    """Return the share of one core that a process takes, over some seconds from now."""
    before = _cpu_seconds(pid)
    threading.Event().wait(seconds)
    return 100 * (_cpu_seconds(pid) - before) / seconds


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, tell, and write; return 0."""
    given = _parser().parse_args(arguments)
    if given.serve:
        asyncio.run(serve(given.serve))
        return 0
    full: dict[str, Any] = {
        "events": EVENTS,
        "runs": RUNS,
        "open": OPEN,
        "loads": LOADS,
        "idle_seconds": IDLE_SECONDS,
        "rounds": given.rounds,
    }
    plan = QUICK if given.quick else full
    with tempfile.TemporaryDirectory() as folder:
        machine = describe_machine(Path(folder))
        print(*machine.lines(), sep="\n")
        print(f"\n{CASE}: a run of {plan['events']:,} events among {plan['runs']:,}; {plan['open']} dashboards open")
        path = Path(folder, "store.db")
        asyncio.run(crowd(f"sqlite:///{path}", int(plan["events"])))
        multiply(path, int(plan["runs"]))
        with served(f"sqlite:///{path}") as (url, pid):
            rows = _tell(summarize(CASE, OURS, paints(url, int(plan["rounds"]))))
            rows += _tell(summarize(CASE, OURS, memory(url, pid, int(plan["loads"]))))
            rows += _tell(summarize(CASE, OURS, idle(url, pid, int(plan["open"]), plan["idle_seconds"])))
    if given.json is not None:
        report = Report(machine, given.quick, tuple(rows))
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard")
    parser.add_argument("--quick", action="store_true", help="a smoke test: few runs, few events, once")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help="how often each page is opened")
    parser.add_argument("--serve", metavar="STORE", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
