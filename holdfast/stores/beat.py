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

BEAT: Final = "holdfast.stores.beat:beat"
"""What a sidecar is told to call."""

PATIENCE_LEASES: Final = 0.2
"""For what part of a lease a server that cannot be reached is waited for."""


def beat(arguments: dict[str, Any], state: str) -> bool:
    """Renew the lease; return False when it is lost.

    Args:
        arguments: member, epoch, lease_seconds, and which store: `address`, or `path` and `synchronous`.
        state: how the member is, for others to read.
    """
    return asyncio.run(_beat(arguments, state))


async def _beat(arguments: dict[str, Any], state: str) -> bool:
    # A sidecar loads what its store needs, and no other one.
    membership, lease_seconds = Membership(arguments["member"], arguments["epoch"]), arguments["lease_seconds"]
    if "address" in arguments:
        from holdfast.stores.postgres.address import parse_address
        from holdfast.stores.postgres.beat import renew

        # The sidecar tries again by itself, and it has to be heard of in time that it cannot.
        patience = lease_seconds * PATIENCE_LEASES
        address = parse_address(arguments["address"])
        return await renew(address, membership, lease_seconds, state, patience_seconds=patience)
    from holdfast.stores.clock import SystemClock
    from holdfast.stores.sqlite import SQLiteStore

    store = SQLiteStore(Path(arguments["path"]), clock=SystemClock(), synchronous=arguments["synchronous"])
    await store.open()
    try:
        (result,) = await store.write([Beat(membership, lease_seconds, state)])
        return not isinstance(result, FencedError)
    finally:
        await store.close()
