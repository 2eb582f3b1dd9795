"""Members in processes of their own, with places where faults may strike.

Owns: starting them, waiting until they serve, and ending them.
Must not know: what they serve, or what a test does to them.

    python -m tests.crash.member worker MODULE --pool p=2 --store URL        # as python -m holdfast, with places
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path

from holdfast.cli import main as holdfast
from holdfast.testing.faults import FAULTS_VARIABLE, Faults
from tests import lost_answers
from tests.crash import planted
from tests.crash.shapes import FOLDER_VARIABLE
from tests.crash.stack import install

PLANT_VARIABLE = "CRASH_PLANT"
READY_SECONDS = 60.0
END_SECONDS = 30.0


class Member:
    """A process that serves."""

    def __init__(self, process: asyncio.subprocess.Process, errors: Path) -> None:
        """Keep what a test needs."""
        self.process = process
        self._errors = errors

    @property
    def pid(self) -> int:
        """Return the process's id."""
        return self.process.pid

    @property
    def errors(self) -> str:
        """Return what it said on standard error."""
        return self._errors.read_text(encoding="utf-8", errors="replace")

    def stop(self) -> None:
        """Freeze the process."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let the process go on."""
        os.kill(self.pid, signal.SIGCONT)

    @contextmanager
    def silent_sidecar(self) -> Iterator[None]:
        """Freeze what renews its lease: the process hears that it has lost it by what it writes, and not before."""
        (sidecar,) = (each for each in children_of(self.pid) if b"holdfast.worker.sidecar" in _command_of(each))
        os.kill(sidecar, signal.SIGSTOP)
        try:
            yield
        finally:
            with suppress(ProcessLookupError):  # it ends with the lease
                os.kill(sidecar, signal.SIGCONT)


def children_of(pid: int) -> list[int]:
    """Return the processes that a process's main thread started."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def _command_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


@asynccontextmanager
async def member(
    folder: Path, role: str, *more: str, lease: float, faults: str = "", plant: str = ""
) -> AsyncIterator[Member]:
    """Start `holdfast ROLE tests.crash.fleet ...` on the store in `folder`; end it after the block."""
    errors = folder / f"errors-{role}-{os.urandom(3).hex()}"
    environment = {
        **os.environ,
        FOLDER_VARIABLE: str(folder),
        FAULTS_VARIABLE: faults,
        PLANT_VARIABLE: plant,
        "HOLDFAST_LEASE_SECONDS": str(lease),
        "HOLDFAST_DRAIN_SECONDS": "1",
    }
    with errors.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.crash.member", role, "tests.crash.fleet", *more),
            *("--store", f"sqlite:///{folder / 'store.db'}", "--json"),
            stdout=subprocess.PIPE,
            stderr=output,
            env=environment,
            cwd=Path(__file__).parents[2],
        )
    one = Member(process, errors)
    try:
        async with asyncio.timeout(READY_SECONDS):
            if not await process.stdout.readline():
                raise AssertionError(f"the {role} did not start: {one.errors}")
        yield one
    finally:
        with suppress(ProcessLookupError):
            one.go_on()
            process.terminate()
        try:
            async with asyncio.timeout(END_SECONDS):
                await process.communicate()
        except TimeoutError:
            process.kill()
            await process.communicate()


def main() -> None:
    """Be `holdfast`, with faults and plants."""
    with ExitStack() as block:
        plant = os.environ.get(PLANT_VARIABLE)
        if plant:
            planted.BUGS[plant]()
        install(Faults.armed(), block)
        lost_answers.lose_as_told()
        holdfast()


if __name__ == "__main__":
    main()
