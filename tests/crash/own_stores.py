"""The store of a campaign's own: a file, a server, or a server behind a pooler.

Owns: which kinds there are, and how one is made.
Must not know: what a campaign does.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final

from holdfast.stores import migrate
from tests.servers.pgbouncer import Pgbouncer
from tests.servers.postgres import Postgres

SQLITE, POSTGRES, PGBOUNCER = KINDS = ("sqlite", "postgres", "pgbouncer")
CONNECTIONS_MAX: Final = "300"
"""Of the server: each process has several."""


@contextlib.contextmanager
def own_store(kind: str) -> Iterator[str]:
    """Give the address of an empty store of that kind; "" is a file, in the folder of the campaign."""
    if kind == SQLITE:
        yield ""
        return
    with contextlib.ExitStack() as block:
        server = block.enter_context(Postgres({"max_connections": CONNECTIONS_MAX}))
        dsn = server.create_database()
        asyncio.run(migrate(dsn))
        yield dsn if kind == POSTGRES else block.enter_context(Pgbouncer(server)).dsn(dsn)
