"""The address of a PostgreSQL store says where it is, is checked when it is read, and never shows its password."""

from __future__ import annotations

import pytest

from holdfast.errors import SettingsError
from holdfast.stores import is_address, parse_address


def test_every_part_is_read() -> None:
    """Host, port, user, password, database, schema and TLS stand where PostgreSQL's own addresses have them."""
    address = parse_address(
        "postgresql://me%40home:pa%2Fss@db:6432/work?schema=jobs&sslmode=verify-full&sslrootcert=/ca.pem"
    )
    assert address.hosts == (("db", 6432),)
    assert (address.user, address.password, address.database, address.schema) == ("me@home", "pa/ss", "work", "jobs")
    assert address.tls == {"sslmode": "verify-full", "sslrootcert": "/ca.pem"}
    assert not address.is_pooled


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("postgresql:///work", ()),
        ("postgres:///work", ()),
        ("postgresql://one,two:6432/work", (("one", None), ("two", 6432))),
        ("postgresql://[::1]:6432/work", (("::1", 6432),)),
        ("postgresql:///work?host=/run/postgresql", (("/run/postgresql", None),)),
        ("postgresql://%2Frun%2Fpostgresql/work", (("/run/postgresql", None),)),
    ],
)
def test_hosts(text: str, hosts: object) -> None:
    """There may be none, several, one in brackets, or the directory of a socket."""
    assert parse_address(text).hosts == hosts


def test_a_pooler_is_named() -> None:
    """With a pooler that shares connections between transactions nothing is kept on them."""
    assert parse_address("postgresql://db/work?pooler=transaction").is_pooled


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("redis://db", "is not one"),
        ("postgresql:/db", "is not one"),
        ("postgresql://u:secret@db/work?shema=jobs", "Did you mean schema"),
        ("postgresql://u:secret@db/work?colour=blue", "There are: host"),
        ("postgresql://u:secret@db/work?sslmode=maybe", "verify-full"),
        ("postgresql://u:secret@db/work?schema=My-Jobs", "small letters"),
        ("postgresql://u:secret@db:port/work", "host and port"),
        ("postgresql://u:secret@db:70000/work", "host and port"),
        ("postgresql://u:pa@secret@db/work", "write @ as %40"),
        ("postgresql://u:pa/secret@db/work", "write @ as %40"),
        ("postgresql://u:secret@db/work?host=/run", "twice"),
        ("postgres://secret", "names no database"),
        ("postgresql://u:secret@db/?schema=jobs", "PGDATABASE"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_shown(text: str, says: str) -> None:
    """The error says what is wrong and how to write it, and does not repeat what may be a password."""
    with pytest.raises(SettingsError) as caught:
        parse_address(text)
    assert says in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_database_may_be_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for PostgreSQL's own programs; one called like the user is not guessed."""
    monkeypatch.setenv("PGDATABASE", "work")
    assert parse_address("postgresql://").hosts == ()


def test_the_password_is_not_shown() -> None:
    """Neither text nor representation of an address has it."""
    address = parse_address("postgresql://me:secret@db/work?schema=jobs")
    assert "secret" not in f"{address} {address!r} {address.text}"
    assert str(address) == "postgresql://me@db/work?schema=jobs"


@pytest.mark.parametrize(
    ("text", "expected"), [("postgresql://db", True), ("postgres://", True), ("sqlite:///x", False)]
)
def test_an_address_is_known_by_its_scheme(text: str, *, expected: bool) -> None:
    """Whoever reads settings can tell which store is meant."""
    assert is_address(text) is expected
