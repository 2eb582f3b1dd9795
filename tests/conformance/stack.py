"""The process that is killed under the runtime's conformance suite: a whole stack on one store.

Owns: serving the scenarios' workflows and tasks, with places where faults may strike.
Must not know: scenarios' drivers, when it is killed.

    python -m tests.conformance.stack STORE VERSION ENGINE
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from contextlib import ExitStack

from holdfast import Holdfast
from holdfast.testing.conformance.runtime import MODULES, VERSIONS
from holdfast.testing.faults import Faults
from tests import lost_answers
from tests.crash import planted
from tests.crash.stack import install

PLANT_VARIABLE = "CONFORMANCE_PLANT"
"""Names a bug of `tests.crash.planted`."""


async def serve(store: str, version: str, engine: str) -> None:
    """Run the stack until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with Holdfast(
        MODULES,
        store,
        definitions=VERSIONS[version],
        engine=engine,
        lease_seconds=2,
        max_recoveries=1_000,
        poll_seconds=0.2,
        log_level="ERROR",
    ):
        print("ready", flush=True)
        await stop.wait()


def rehearse() -> None:
    """Open a stack, and close it: what that loads is there in every process that is forked from this one."""

    async def open_and_close(folder: str) -> None:
        async with Holdfast(MODULES, f"sqlite:///{folder}/store.db", log_level="ERROR"):
            pass

    with tempfile.TemporaryDirectory(prefix="holdfast-rehearsal-") as folder:
        asyncio.run(open_and_close(folder))


def main(*arguments: str) -> None:
    """Be the stack, with faults and plants."""
    with ExitStack() as block:
        if plant := os.environ.get(PLANT_VARIABLE):
            planted.BUGS[plant]()
        install(Faults.armed(), block)
        lost_answers.lose_as_told()
        asyncio.run(serve(*arguments))


if __name__ == "__main__":
    main(*sys.argv[1:])
