"""Each statement of the store is there for both databases, takes the same and returns the same."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import apsw
import apsw.ext
import pytest

from holdfast.stores import sqlite
from holdfast.stores.sql import statements
from holdfast.stores.sqlite import schema
from tests.servers.postgres import Postgres
from tests.unit.stores.postgres.desk import PACKAGE, Desk, Prepared, desk_at, takes_many

HERE = Path(sqlite.__file__).parents[1]

ONLY_SQLITE = {
    "read_meta": "one writer at a time counts commits and tokens in one row",
    "write_meta": "as above",
    "read_commit_number": "there is a chain over all commits",
    "note_loss": "a file can lose its tail, and its side file tells",
    "read_moved": "a file that was exported is not opened any more",
    "note_moved": "as above",
    "drop_moved": "as above",
    "newest_page": "one writer at a time numbers pages one after the other",
}
DIFFERENT = {"read_now": "a server has a clock of its own, and is told what a test's says"}
ONLY_POSTGRES = ("transactions.sql", "foresight.sql")
"""Files of what only a server needs, that many write to at once and that is some way off."""
INSERTED = {"start_execution", "create_execution", "put_drift", "join_line"}
"""Statements of `Session.insert`: SQLite says by other means which id the row got."""
COMMON = sorted(statements.load(PACKAGE).keys() & statements.load(sqlite.__name__).keys() - DIFFERENT.keys())


@pytest.fixture(scope="module")
def desk(postgres_server: Postgres) -> Iterator[Desk]:
    """Return an empty database with the schema."""
    dsn = postgres_server.create_database()
    with desk_at(dsn) as desk:
        yield desk
    postgres_server.drop_database(dsn)


@pytest.fixture(scope="module")
def prepared(desk: Desk) -> Mapping[str, Prepared]:
    """Return what the server says of each statement."""
    return {name: desk.prepare(name) for name in statements.load(PACKAGE)}


@pytest.fixture(scope="module")
def file() -> Iterator[apsw.Connection]:
    """Return the same on SQLite."""
    connection = apsw.Connection(":memory:")
    schema.migrate(connection, 0.0, schema.load())
    yield connection
    connection.close()


def test_both_databases_have_the_same_statements() -> None:
    """What a handler runs by name is there wherever it runs."""
    ours, theirs = statements.load(PACKAGE).keys(), statements.load(sqlite.__name__).keys()
    folder = HERE / "postgres" / "queries"
    files = [folder / name for name in ONLY_POSTGRES if (folder / name).exists()]
    only = {name for file in files for name in statements.parse(file.read_text("utf-8"))}
    assert theirs - ours - DIFFERENT.keys() == ONLY_SQLITE.keys()
    assert ours - theirs == only - DIFFERENT.keys()


def test_the_server_understands_every_statement(prepared: Mapping[str, Prepared]) -> None:
    """It names tables and columns that there are, and the type of each binding can be told."""
    assert {name: each.refusal for name, each in prepared.items() if each.refusal} == {}


def test_statements_take_and_return_the_same_on_both(prepared: Mapping[str, Prepared], file: apsw.Connection) -> None:
    """As many bindings, as many columns."""
    theirs = {name: apsw.ext.query_info(file, statements.load(sqlite.__name__)[name]) for name in COMMON}
    sizes = {name: (each.bindings_count, len(each.description) + (name in INSERTED)) for name, each in theirs.items()}
    ours = {name: (len(prepared[name].parameters), len(prepared[name].columns)) for name in COMMON}
    assert ours == sizes


def test_no_statement_returns_a_type_that_handlers_do_not_know(prepared: Mapping[str, Prepared]) -> None:
    """Sums are integers, not decimals, and JSON is text, as on SQLite."""
    known = {"int8", "int4", "int2", "float8", "text", "bytea", "bool"}
    types = {name: {column.type.name for column in each.columns} for name, each in prepared.items()}
    assert {name: found - known for name, found in types.items() if found - known} == {}


def test_a_statement_for_many_rows_takes_nothing_but_arrays(prepared: Mapping[str, Prepared]) -> None:
    """Each binding is a column of the rows; elsewhere none is, but in what a transaction begins with."""
    for name, text in statements.load(PACKAGE).items():
        if name in {"begin_finish", "begin_claims"}:
            continue
        arrays = [parameter.kind == "array" for parameter in prepared[name].parameters]
        assert all(arrays) if takes_many(text) else not any(arrays), name


def test_statements_that_run_for_many_rows_are_written_for_them() -> None:
    """However many rows, `run_many` is one statement on the way to the server."""
    code = "".join(file.read_text() for file in (HERE / "sql").glob("*.py"))
    names = set(re.findall(r'(?:run_many|rows_of_many)\(\s*"(\w+)"', code))
    assert names
    assert {name for name in names if not takes_many(statements.load(PACKAGE)[name])} == set()


def test_texts_are_compared_byte_by_byte(desk: Desk) -> None:
    """Whatever language the database speaks, an index of texts is in the order that SQLite has, and the cheap one."""
    columns = desk.fetch("""
        SELECT c.relname, a.attname FROM pg_index AS i
        JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_attribute AS a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'public'::regnamespace AND a.attcollation <> 0
          AND a.attcollation <> (SELECT oid FROM pg_collation WHERE collname = 'C')
    """)
    assert [each for each in columns if each[0] != "migrations_pkey"] == []
