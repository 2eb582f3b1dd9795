"""One run of twenty steps, on a disk that kills, fails or is watched, at the moments when a commit waits for it.

Owns: the program that is traced, running it under strace, and reading the trace.
Must not know: what of all this is right.

    python -m tests.crash.boundaries [--inject signal=KILL|error=EIO] [--from 1] [--every 1]

SQLite waits for the disk with fdatasync: once for each commit, and around each checkpoint. A kill there is a kill in
the middle of a commit, whose pages are written and may or may not be there afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from holdfast import Holdfast
from holdfast.app import load_settings, verify_store
from holdfast.testing.receiver import Receiver
from tests.crash.shapes import FOLDER_VARIABLE, Job, apply, draw, sequence

RUN_ID: Final = "twenty"
STEPS: Final = 20
RUN_SECONDS: Final = 60.0
BOUNDARIES_MAX: Final = 200
LEASE_SECONDS: Final = 0.5
"""How long a restarted stack has to wait for the lease of the one that was killed."""

_OPENED: Final = re.compile(r'openat\([^"]*"(?P<path>[^"]*)".*\) = (?P<fd>\d+)$')
_SYNCED: Final = re.compile(r"f(data)?sync\((?P<fd>\d+)\) += 0$")
_ASKED: Final = re.compile(r'write\(\d+, "\[\\"(?P<key>[^"\\]*)\\", \\"[^"\\]*\\", \d')
"""A line of the receiver's log: key, payload, number of the attempt, and so on."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Something the traced process did."""

    what: str
    """`sync` of the write-ahead log, or `request` at the receiver."""
    key: str = ""


async def run(folder: Path, **options: Any) -> list[str]:
    """Run the twenty steps on the store in `folder`, or go on with them, and return the result."""
    os.environ[FOLDER_VARIABLE] = str(folder)
    try:
        async with Holdfast(
            definitions=[sequence, apply, draw],
            store=store_of(folder),
            lease_seconds=LEASE_SECONDS,
            poll_seconds=0.1,
            **options,
        ) as app:
            handle = await app.client.start(sequence, Job(size=STEPS // 2, pace=0.0), id=RUN_ID)
            return await handle.result(timeout=RUN_SECONDS)
    finally:
        del os.environ[FOLDER_VARIABLE]


def trace(folder: Path, strace: str, *more: str, synchronous: str = "FULL") -> subprocess.CompletedProcess[bytes]:
    """Run the twenty steps in a process of their own, under strace, which gets `more` arguments."""
    return subprocess.run(
        [
            *(strace, "-qq", "-s", "200", "-o", str(folder / "trace"), *more),
            *(sys.executable, "-m", "tests.crash.boundaries", "--child", str(folder), "--synchronous", synchronous),
        ],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        timeout=2 * RUN_SECONDS,
        check=False,
    )


def read_trace(lines: Iterable[str]) -> list[Seen]:
    """Return what a trace of openat, write and fdatasync shows, in order."""
    paths: dict[str, str] = {}
    seen = []
    for line in lines:
        if found := _OPENED.search(line):
            paths[found["fd"]] = found["path"]
        elif found := _SYNCED.search(line):
            if paths.get(found["fd"], "").endswith("-wal"):
                seen.append(Seen("sync"))
        elif found := _ASKED.search(line):
            seen.append(Seen("request", found["key"]))
    return seen


def unsynced(seen: list[Seen]) -> list[str]:
    """Return the steps that began although nothing had been made durable since the step before."""
    steps, early, synced = 0, [], False
    for each in seen:
        if each.what == "sync":
            synced = True
            continue
        if not synced:
            early.append(each.key)
        synced = False
        steps += 1
    if steps != STEPS:
        early.append(f"{steps} steps instead of {STEPS}")
    return early


def check(folder: Path, result: list[str]) -> list[str]:
    """Return what is wrong after the run has ended."""
    receiver = Receiver(folder)
    keys = [f"{RUN_ID}/apply#{number}" for number in range(1, STEPS // 2 + 1)]
    applied = receiver.applied()
    problems = [f"holdfast verify: {each}" for each in verify_store(load_settings(store=store_of(folder))).problems]
    if sorted(applied) != sorted(keys):
        problems.append(f"applied {sorted(applied)}")
    if result != [applied.get(key) for key in keys]:
        problems.append(f"the result is {result}, and {applied} was applied")
    asked: dict[str, set[str]] = {}
    for request in receiver.requests():
        if request.applies:
            asked.setdefault(request.key, set()).add(request.payload)
    problems += [f"{key} was asked for with {payloads}" for key, payloads in asked.items() if len(payloads) > 1]
    requests = [each.key for each in receiver.requests()]
    repeated = len(requests) - len(set(requests))
    if repeated > 1:
        problems.append(f"{repeated} steps were repeated after one kill: {requests}")
    return problems


def store_of(folder: Path) -> str:
    """Return the store's URL."""
    return f"sqlite:///{folder / 'store.db'}"


def strike(folder: Path, strace: str, number: int, inject: str) -> tuple[bool, list[str]]:
    """Let the disk strike at the `number`th wait for it, then go on without; return whether it did, and problems."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    ended = trace(folder, strace, "-e", "trace=fdatasync", "-e", f"inject=fdatasync:{inject}:when={number}")
    struck = "INJECTED" in (folder / "trace").read_text(errors="replace") or ended.returncode == -9
    if ended.returncode == 0:
        return struck, check(folder, json.loads(ended.stdout))
    if ended.returncode != -9 and "signal=KILL" in inject:
        return struck, [f"the traced run ended {ended.returncode}: {ended.stderr.decode()[-2000:]}"]
    return True, check(folder, asyncio.run(run(folder)))


def main() -> None:
    """Strike at every boundary, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--synchronous", default="FULL", help=argparse.SUPPRESS)
    parser.add_argument("--inject", default="signal=KILL")
    parser.add_argument("--from", type=int, default=1, dest="first")
    parser.add_argument("--every", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.child is not None:
        print(json.dumps(asyncio.run(run(arguments.child, synchronous=arguments.synchronous))))
        return
    began, struck, failed = time.monotonic(), 0, 0
    with tempfile.TemporaryDirectory(prefix="holdfast-boundaries-") as folder:
        for number in range(arguments.first, BOUNDARIES_MAX, arguments.every):
            hit, problems = strike(Path(folder) / "run", "strace", number, arguments.inject)
            failed += bool(problems)
            for each in problems:
                print(f"boundary {number}: {each}", flush=True)
            if not hit:
                break
            struck += 1
    print(f"{arguments.inject} at {struck} boundaries in {time.monotonic() - began:.0f} s, {failed} with problems")
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()
