"""Connections to the server: how they are opened, asked and given up. The door to asyncpg.

Owns: the options of a connection, how long it is waited for, what is tried again.
Must not know: tables, transactions.

Nothing depends on what a connection remembers: with `?pooler=transaction` each transaction may be served by another
one, and then there are no prepared statements, and what a session would be told once every transaction is told.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
from contextlib import suppress
from functools import cache, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from holdfast.errors import MissingExtraError, StoreError
from holdfast.stores.postgres.arrays import ARRAYS, decode_array, encode_array
from holdfast.stores.postgres.failures import Verdict, judge, translate
from holdfast.stores.postgres.outage import Outage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from holdfast.stores.postgres.address import Address

SERVER_VERSION_MIN: Final = 14

CONNECT_SECONDS_MAX: Final = 10.0
"""How long one attempt at a connection may take."""
ANSWER_SECONDS_MAX: Final = 60.0
"""How long one statement may take. Then the connection is taken for dead: some networks swallow packets silently."""
IDLE_SECONDS_MAX: Final = 3.0
"""How long a transaction may wait for its own client, which was stopped or cut off, before the server ends it."""
LOCK_SECONDS_MAX: Final = 30.0
"""How long a write waits for a lock."""
PATIENCE_SECONDS: Final = 30.0
"""How long a server that cannot be reached is tried again before somebody is told."""


class Connection(Protocol):
    """A connection as asyncpg makes them, which has no types of its own: what is used of it here."""

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:
        """Run a statement, or several without bindings; return what the server says of the last one."""

    async def fetch(self, query: str, *args: Any) -> list[Sequence[Any]]:
        """Return all rows of a statement."""

    async def fetchrow(self, query: str, *args: Any) -> Sequence[Any] | None:
        """Return the first row of a statement."""

    async def fetchval(self, query: str, *args: Any) -> Any:
        """Return the first column of the first row of a statement."""

    async def prepare(self, query: str, *, name: str | None = None) -> Any:
        """Have the server know a statement by a name; return what fetches its rows."""

    def cursor(self, query: str, *args: Any) -> Awaitable[Any]:
        """Return a cursor over the rows of a statement."""

    def transaction(self) -> AbstractAsyncContextManager[Any]:
        """Return what is a transaction inside."""

    async def close(self, *, timeout: float | None = None) -> None:
        """Close it in good order."""

    def terminate(self) -> None:
        """Close it at once."""

    def is_closed(self) -> bool:
        """Say whether it is closed."""

    def is_in_transaction(self) -> bool:
        """Say whether a transaction is open on it."""

    def get_server_version(self) -> Any:
        """Return the server's version."""


_FIRST_DELAY: Final = 0.02
_DELAY_MAX: Final = 1.0
_STATEMENTS_CACHED: Final = 512
# The server keeps the plan of a statement as long as the connection, and may have made it while the tables were empty.
# Then going through all of a table is cheapest, and is still done when it has a million rows. Every statement has an
# index to go by, so that is what is asked for.
_PLANNING: Final = MappingProxyType({
    # Nor are bitmaps made: that goes through all entries of rows that are no more, up to the next vacuum, and leaves no
    # note for the next one. A plain scan does, so that a queue of which the rows come and go stays as small as it is.
    **dict.fromkeys(("enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin"), "off"),
    # So is the same plan for whatever it is given: to plan anew takes the server longer than most statements do.
    "plan_cache_mode": "force_generic_plan",
})  # fmt: skip


class Patience:
    """How long something that passes by itself is tried again, and how often: ever more slowly, and never in step."""

    __slots__ = ("_address", "_delay", "_loop", "_outage", "_until", "seconds")

    def __init__(self, address: Address, seconds: float, outage: Outage | None = None) -> None:
        """Begin to be patient, for so many seconds; what lasts is told by way of `outage`."""
        self._address = address
        self._outage = outage if outage is not None else Outage(address, is_shared=False)
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + seconds
        self._delay = _FIRST_DELAY
        self.seconds = seconds

    async def wait(self, error: BaseException) -> None:
        """Wait until it is time to try again.

        Args:
            error: what went wrong.

        Raises:
            StoreError: it has gone wrong for long enough; says what `error` means.
        """
        left = self._until - self._loop.time()
        meaning = translate(error, self._address)
        if self._delay == _DELAY_MAX or (left <= 0 and self._outage.is_shared):
            self._outage.tell(meaning.what, self.seconds - left)
        if left <= 0:
            meaning.is_told = self._outage.is_told
            raise meaning from error
        delay = min(self._delay, left) * (0.5 + secrets.randbelow(512) / 1024)
        self._delay = min(self._delay * 2, _DELAY_MAX)
        await asyncio.sleep(delay)


async def connect(address: Address, *, purpose: str = "") -> Connection:
    """Open a connection.

    Args:
        address: of the server.
        purpose: what it is for, as operators see it in `pg_stat_activity`.

    Raises:
        MissingExtraError: the extra `postgres` is not installed.
        StoreError: the server is too old, or a file of the address cannot be read.
        Exception: anything that `failures.judge` knows.
    """
    connection = await _door()(**_options(address, purpose))
    version = connection.get_server_version()
    if version.major < SERVER_VERSION_MIN:
        await connection.close(timeout=CONNECT_SECONDS_MAX)
        raise StoreError(
            f"{address}: the server is PostgreSQL {version.major}.{version.minor}",
            f"Holdfast needs {SERVER_VERSION_MIN} or newer.",
        )
    _write_arrays(connection)
    return connection


def _write_arrays(connection: Any) -> None:
    """Have the driver write arrays as `arrays` does.

    It lets itself be told so of single values only. A version of it that has no such seam writes them as ever.
    """
    with suppress(AttributeError, TypeError):
        settings = connection._protocol.get_settings()  # noqa: SLF001 - as above
        for each in ARRAYS:
            encode, decode = partial(encode_array, each), partial(decode_array, each)
            settings.add_python_codec(each.oid, each.name, "pg_catalog", (), "scalar", encode, decode, "binary")


async def connect_patiently(address: Address, patience: Patience, *, purpose: str = "") -> Connection:
    """As `connect`; what passes by itself is waited for. Raises StoreError."""
    while True:
        try:
            return await connect(address, purpose=purpose)
        except Exception as error:
            match judge(error):
                case Verdict.OTHER:
                    raise
                case Verdict.FINAL:
                    raise translate(error, address) from error
                case Verdict.LOST | Verdict.UNDONE | Verdict.LATER:
                    await patience.wait(error)


async def close(connection: Connection) -> None:
    """Close a connection, in good order where it has one."""
    if connection.is_closed():
        return
    try:
        await connection.close(timeout=CONNECT_SECONDS_MAX)
    except Exception:  # noqa: BLE001 - it is to go, whatever it says
        connection.terminate()


def preamble(address: Address) -> str:
    """Return what a transaction has to be told first, where nothing can be told to a connection once and for all."""
    calls = told(address)
    return f"SELECT {','.join(calls)};" if calls else ""


def told(address: Address) -> list[str]:
    """Return the calls of functions by which it is told, none of which gives NULL."""
    if not address.is_pooled:
        return []
    return [f"set_config('{name}', '{value}', true)" for name, value in _settings(address).items()]


def _options(address: Address, purpose: str) -> dict[str, Any]:
    given = {"user": address.user, "password": address.password, "database": address.database}
    settings = {"application_name": f"holdfast {purpose}".strip()}
    if not address.is_pooled:
        settings |= _settings(address) | _PLANNING
    return {
        **{name: value for name, value in given.items() if value},
        **_place(address),
        "ssl": _tls(address),
        "target_session_attrs": address.target,
        "timeout": CONNECT_SECONDS_MAX,
        "command_timeout": ANSWER_SECONDS_MAX,
        "statement_cache_size": 0 if address.is_pooled else _STATEMENTS_CACHED,
        "max_cached_statement_lifetime": 0,
        "server_settings": settings,
    }


def _settings(address: Address) -> dict[str, str]:
    commit = {"synchronous_commit": address.synchronous_commit} if address.synchronous_commit else {}
    place = {"search_path": f'"{address.schema}"'} if address.schema else {}
    return (
        commit
        | place
        | {
            "idle_in_transaction_session_timeout": f"{IDLE_SECONDS_MAX * 1_000:.0f}",
            "lock_timeout": f"{LOCK_SECONDS_MAX * 1_000:.0f}",
            "standard_conforming_strings": "on",  # as everywhere for long
            "jit": "off",  # no statement here is worth it, and an estimate that is wrong costs a tenth of a second
        }
    )


def _place(address: Address) -> dict[str, Any]:
    if not address.hosts:
        return {}
    ports = [port or 5432 for _, port in address.hosts]
    return {"host": [host for host, _ in address.hosts], "port": ports}


def _tls(address: Address) -> Any:
    files = address.tls
    mode = files.get("sslmode")
    if len(files) == (mode is not None):
        # No files are named: asyncpg knows what the mode means, and without one what the environment says.
        return mode if mode not in {"verify-ca", "verify-full"} else _context(address, check_host=mode == "verify-full")
    return _context(address, check_host=mode == "verify-full")


def _context(address: Address, *, check_host: bool) -> ssl.SSLContext:
    files = address.tls
    try:
        context = ssl.create_default_context(cafile=files.get("sslrootcert"))
        context.check_hostname = check_host
        if "sslrootcert" not in files and files.get("sslmode") not in {"verify-ca", "verify-full"}:
            context.verify_mode = ssl.CERT_NONE
        if "sslcert" in files:
            context.load_cert_chain(files["sslcert"], files.get("sslkey"))
    except OSError as error:
        raise StoreError(
            f"{address}: a file named in the address cannot be used: {error.strerror or error}",
            "Check sslrootcert, sslcert and sslkey.",
        ) from error
    return context


@cache
def _door() -> Callable[..., Awaitable[Connection]]:
    try:
        import asyncpg
    except ImportError:
        raise MissingExtraError("The store on PostgreSQL", "postgres") from None
    return cast("Callable[..., Awaitable[Connection]]", asyncpg.connect)
