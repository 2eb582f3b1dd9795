"""What the sidecar process does to the store: renew one lease.

Owns: the write.
Must not know: when to renew; the sidecar decides that.

Runs in a process of its own, named by `BEAT`; it opens the store for each write, because seconds lie between them.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

from holdfast.errors import FencedError
from holdfast.ports.operations import Beat, Membership
from holdfast.stores.clock import SystemClock
from holdfast.stores.sqlite import SQLiteStore

BEAT: Final = "holdfast.stores.beat:beat"
"""What a sidecar is told to call."""


def beat(arguments: dict[str, Any], state: str) -> bool:
    """Renew the lease; return False when it is lost.

    Args:
        arguments: path, member, epoch, lease_seconds, synchronous.
        state: how the member is, for others to read.
    """
    return asyncio.run(_beat(arguments, state))


async def _beat(arguments: dict[str, Any], state: str) -> bool:
    store = SQLiteStore(Path(arguments["path"]), clock=SystemClock(), synchronous=arguments["synchronous"])
    await store.open()
    try:
        membership = Membership(arguments["member"], arguments["epoch"])
        (result,) = await store.write([Beat(membership, arguments["lease_seconds"], state)])
        return not isinstance(result, FencedError)
    finally:
        await store.close()
