"""How the server of a store is, for whoever examines a system.

Owns: what the server is asked.
Must not know: what is good and what is not.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.stores.postgres.connection import Patience, close, connect_patiently
from holdfast.stores.postgres.failures import Verdict, judge, translate

if TYPE_CHECKING:
    from holdfast.stores.postgres.address import Address

_SERVER: Final = """
SELECT current_setting('server_version'),
       pg_is_in_recovery(),
       current_setting('synchronous_commit'),
       current_setting('fsync') = 'on',
       current_setting('max_connections')::int,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::int
"""
_FORBIDDEN: Final = """
SELECT c.relname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind = 'r'
  AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
           AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'))
ORDER BY c.relname
"""


@dataclass(frozen=True, slots=True)
class ServerHealth:
    """What a server says of itself."""

    version: str
    answer_seconds: float
    """How long one question takes, there and back."""
    ahead_seconds: float
    """How far its clock is ahead of this machine's."""
    is_replica: bool
    """Whether it only follows another server, so that nothing can be written."""
    synchronous_commit: str
    fsync: bool
    connections_max: int
    connections: int
    forbidden: tuple[str, ...]
    """Tables of the store that this user may not read and write."""

    @property
    def is_durable(self) -> bool:
        """Whether a commit that was acknowledged is on disk."""
        return self.fsync and self.synchronous_commit != "off"


async def examine(address: Address, *, patience_seconds: float = 5.0) -> ServerHealth:
    """Ask the server how it is.

    Raises:
        MissingExtraError: the extra `postgres` is not installed.
        StoreError: it cannot be reached, or refuses.
    """
    connection = await connect_patiently(address, Patience(address, patience_seconds), purpose="doctor")
    try:
        (server,) = await connection.fetch(_SERVER)
        started = time.time()
        now = float(await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())"))
        took = time.time() - started
        forbidden = await connection.fetch(_FORBIDDEN, address.schema)
    except Exception as error:
        if judge(error) is Verdict.OTHER:
            raise
        raise translate(error, address) from error
    finally:
        await close(connection)
    ahead = now - (started + took / 2)
    version, is_replica, synchronous_commit, fsync, connections_max, connections = server
    return ServerHealth(
        version=version,
        answer_seconds=took,
        ahead_seconds=ahead,
        is_replica=is_replica,
        synchronous_commit=synchronous_commit,
        fsync=fsync,
        connections_max=connections_max,
        connections=connections,
        forbidden=tuple(each[0] for each in forbidden),
    )
