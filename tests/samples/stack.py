"""The process that is killed under the samples: a whole stack on one store and engine.

Owns: serving one sample's module.
Must not know: drivers, when it is killed.

    python -m tests.samples.stack STORE MODULE ENGINE
"""

from __future__ import annotations

import asyncio
import signal
import sys

from holdfast import Holdfast


async def serve(store: str, module: str, engine: str) -> None:
    """Run the stack until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with Holdfast(
        [module], store, engine=engine, lease_seconds=2, max_recoveries=1_000, poll_seconds=0.2, log_level="ERROR"
    ):
        print("ready", flush=True)
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
