"""A stack to measure, and what a case needs around it.

Owns: how the product is set up for measuring, how memory is read, how a case starts a second process.
Must not know: any case.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from benchmarks.automations import DEFINITIONS
from holdfast import Holdfast

MIB = 2**20
LOOK_SECONDS = 0.01
"""How often a case looks whether something has come to be."""


def store_in(folder: Path) -> str:
    """Return the store every process of a case opens."""
    return f"sqlite:///{folder / 'ours.db'}"


def stack(folder: Path, **settings: Any) -> Holdfast:
    """Return the whole stack in this process, on a file as it comes (WAL, synchronous=FULL) if no store is named."""
    options = {"store": store_in(folder), "log_level": "ERROR"} | settings
    return Holdfast(definitions=DEFINITIONS, **options)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Look again and again, without keeping the event loop busy, until `condition` holds."""
    while True:
        if await condition():
            return
        await asyncio.sleep(LOOK_SECONDS)


async def finish(handles: list[Any]) -> None:
    """Wait until all of these runs have ended well."""
    await asyncio.gather(*[handle.result() for handle in handles])


def cpu_seconds() -> float:
    """Return the CPU time of this process and all its threads."""
    return time.process_time()


def resident_bytes() -> int:
    """Return the memory this process holds now."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def peak_bytes() -> int:
    """Return the most memory this process ever held. What `getrusage` says includes its parent's at the fork."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status has no VmHWM")


@contextlib.asynccontextmanager
async def another(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a process of this package while the block lasts; its standard input is its leash, its output the reports."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.ours",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def told(process: asyncio.subprocess.Process) -> str:
    """Return the next line that a process reports.

    Raises:
        RuntimeError: it ended instead.
    """
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line:
        raise RuntimeError("the other process ended without its report; its error stands above")
    return line.decode().strip()


def tell(line: str) -> None:
    """Report a line to whoever started this process."""
    print(line, flush=True)


async def leash_let_go() -> None:
    """Wait until whoever started this process lets go of its standard input."""
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
