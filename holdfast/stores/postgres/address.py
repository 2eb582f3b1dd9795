"""Where a PostgreSQL store is: the address, taken apart and checked.

Owns: the form of an address, which parameters it may have.
Must not know: connections.

    postgresql://user:password@host:port/database?schema=holdfast&sslmode=verify-full

What is missing comes from where PostgreSQL's own programs take it (PGHOST, PGUSER, PGPASSWORD, ~/.pgpass, ...), but for
one thing: without a database they take one that is called like the user, which nobody means who forgot to name it. So
there has to be one here, or in PGDATABASE. Several hosts are tried in order: `postgresql://one,two:5433/database`.

Whoever can read a log must not learn the password: it is in no message, and `str` and `repr` of an address are without.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, quote, unquote

from holdfast.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMES: Final = ("postgresql", "postgres")
SCHEMA: Final = "holdfast"
"""The schema that a store's tables are in, unless the address names another."""

EXAMPLE: Final = "postgresql://user:password@host:5432/database"
DATABASE_VARIABLE: Final = "PGDATABASE"

_PARAMETERS: Final = {
    "host": "a host, or the directory of a Unix socket",
    "pooler": "session or transaction: how connections are shared by a pooler in between",
    "schema": "the schema that holds the tables",
    "sslcert": "a file with the client's certificate",
    "sslkey": "a file with the client's key",
    "sslmode": "disable, allow, prefer, require, verify-ca or verify-full",
    "sslrootcert": "a file with the certificates of authorities",
    "synchronous_commit": "on, off, local, remote_write or remote_apply: what a commit waits for",
    "target_session_attrs": "any, primary, read-write, prefer-standby: which of several hosts will do",
}
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "pooler": ("session", "transaction"),
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "synchronous_commit": ("on", "off", "local", "remote_write", "remote_apply"),
    "target_session_attrs": ("any", "primary", "standby", "read-write", "read-only", "prefer-standby"),
}
_FORM: Final = re.compile(r"^(?P<scheme>[a-z]+)://(?:(?P<login>[^@/]*)@)?(?P<hosts>[^/?]*)(?:/(?P<database>[^?]*))?"
                          r"(?:\?(?P<query>.*))?$", re.DOTALL)  # fmt: skip
_HOST: Final = re.compile(r"^[A-Za-z0-9_.:%-]+$")
_SCHEMA: Final = re.compile(r"^[a-z_][a-z0-9_]{0,62}$")
_PORT_MAX: Final = 65_535


@dataclass(frozen=True, slots=True)
class Address:
    """Where a store is. `text` is the address as it may be shown: without the password."""

    hosts: tuple[tuple[str, int | None], ...] = ()
    """(host or directory of a socket, port) in the order in which they are tried; none is PostgreSQL's default."""
    user: str = ""
    password: str = field(default="", repr=False)
    database: str = ""
    schema: str = SCHEMA
    pooler: str = "session"
    """`transaction`: a pooler may serve each transaction by another connection, so nothing is kept between two."""
    tls: Mapping[str, str] = field(default_factory=dict)
    """`sslmode` and its files, where they are given."""
    synchronous_commit: str = ""
    """As PostgreSQL's setting, "" for what the server is set to. With `off` a crash of the server may take the newest
    commits, as a power failure may where SQLite is set to `synchronous=NORMAL`."""
    target: str = "primary"
    """`target_session_attrs`: a store needs a host that takes writes."""

    @property
    def text(self) -> str:
        """Return the address without its password."""
        login = f"{quote(self.user, safe='')}@" if self.user else ""
        hosts = ",".join(_host(host) + (f":{port}" if port else "") for host, port in self.hosts)
        schema = f"?schema={self.schema}" if self.schema not in {SCHEMA, ""} else ""
        return f"postgresql://{login}{hosts}/{quote(self.database, safe='')}{schema}"

    @property
    def is_pooled(self) -> bool:
        """Whether nothing may be kept on a connection from one transaction to the next."""
        return self.pooler == "transaction"

    def __str__(self) -> str:
        """Return `text`."""
        return self.text


def is_address(text: str) -> bool:
    """Say whether `text` is meant to be the address of a PostgreSQL store."""
    return text.partition("://")[0] in SCHEMES


def parse_address(text: str, *, schema: str = SCHEMA) -> Address:
    """Return what `text` says.

    Args:
        text: the address.
        schema: what counts where it names none; "" leaves that to the server.

    Raises:
        SettingsError: it is no such address; the message does not contain it, because it may hold a password.
    """
    found = _FORM.match(text.strip())
    if found is None or found["scheme"] not in SCHEMES:
        raise SettingsError("the address of the PostgreSQL store is not one", f"Write it like this: {EXAMPLE}")
    user, _, password = (found["login"] or "").partition(":")
    parameters = _parameters(found["query"] or "")
    hosts = tuple(_split_host(each) for each in (found["hosts"] or "").split(",") if each)
    if "host" in parameters:
        if hosts:
            raise SettingsError("the address of the PostgreSQL store has a host twice", "Leave out one of them.")
        hosts = ((parameters["host"], None),)
    if not found["database"] and not os.environ.get(DATABASE_VARIABLE):
        raise SettingsError(
            "the address of the PostgreSQL store names no database",
            f"Write it like this: {EXAMPLE} - or set {DATABASE_VARIABLE}.",
        )
    return Address(
        hosts=hosts,
        user=unquote(user),
        password=unquote(password),
        database=unquote(found["database"] or ""),
        schema=_check_schema(parameters["schema"]) if "schema" in parameters else schema,
        pooler=parameters.get("pooler", "session"),
        tls={name: parameters[name] for name in ("sslmode", "sslrootcert", "sslcert", "sslkey") if name in parameters},
        synchronous_commit=parameters.get("synchronous_commit", ""),
        target=parameters.get("target_session_attrs", "primary"),
    )


def _parameters(query: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in _PARAMETERS:
            (near,) = get_close_matches(name, _PARAMETERS, 1) or ("",)
            hint = f"Did you mean {near} ({_PARAMETERS[near]})?" if near else f"There are: {', '.join(_PARAMETERS)}."
            raise SettingsError(f"the address of the PostgreSQL store has a parameter {name!r}, which is unknown", hint)
        if value not in _CHOICES.get(name, (value,)):
            raise SettingsError(
                f"parameter {name} of the address of the PostgreSQL store is {value!r}",
                f"It may be: {', '.join(_CHOICES[name])}.",
            )
        found[name] = value
    return found


def _check_schema(name: str) -> str:
    if not _SCHEMA.match(name):
        raise SettingsError(
            f"parameter schema of the address of the PostgreSQL store is {name!r}",
            "A schema's name has small letters, digits and underscores, up to 63, and does not begin with a digit.",
        )
    return name


def _split_host(text: str) -> tuple[str, int | None]:
    """Return (host, port) of `host`, `host:port`, `[::1]:port` or `%2Fvar%2Frun`."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    else:
        host, _, port = text.partition(":")
    host = unquote(host)
    is_port = not port or (port.isascii() and port.isdecimal() and 0 < int(port) <= _PORT_MAX)
    if not is_port or not (host.startswith("/") or _HOST.match(host)):
        # It may be a part of a password: it must not be shown.
        raise SettingsError(
            "the address of the PostgreSQL store has something else where host and port belong",
            f"Write it like this: {EXAMPLE}\nIn a name and in a password, write @ as %40, : as %3A and / as %2F.",
        )
    return host, int(port) if port else None


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else quote(host, safe="")
