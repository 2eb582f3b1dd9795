"""Statements are found by name, each is used, and none that runs often walks over a table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from holdfast.stores import sqlite
from holdfast.stores.sql import statements
from holdfast.stores.sqlite import schema

FOLDER = Path(sqlite.__file__).parent

MAY_SCAN = {
    "newest_page": "max() of the row number is one look",
    "read_meta": "one row",
    "write_meta": "one row",
    "read_now": "one row",
    "read_refused": "one row",
    "read_commit_number": "one row",
    "read_members": "as many rows as there are processes",
    "forget_members": "as above, and only when one joins",
    "read_hosts": "the whole table was asked for",
    "read_contracts": "the whole table was asked for",
    "read_retirements": "the whole table was asked for",
    "read_drifts": "the newest were asked for, of a table that grows with what changes outside",
    "read_budgets": "the whole table was asked for",
    "read_locks": "the whole table was asked for",
    "read_rates": "the whole table was asked for",
    "read_pool_rules": "the whole table was asked for",
    "read_limit_rules": "the whole table was asked for",
    "take_touched_lines": "the oldest, as many as it says, of a table that is nearly always empty",
    "pool_rules": "nearly always empty",
    "read_keys": "the whole table was asked for",
    "read_moved": "one row at most",
    "note_moved": "as above",
    "prune_deliveries": "the oldest, as many as it says",
    "read_schedules": "the whole table was asked for",
    "read_slots": "as many rows as there are processes",
}


def test_a_file_is_cut_at_its_headers() -> None:
    """A statement is what stands between its header and the next one, without its semicolon."""
    text = "-- about it\n\n-- name: one\nSELECT 1;\n\n-- name: two\n-- why\nSELECT 2\n"
    assert statements.parse(text) == {"one": "SELECT 1", "two": "-- why\nSELECT 2"}


@pytest.mark.parametrize("text", ["-- name: one\n-- name: two\nSELECT 1", "-- name: a\nSELECT 1\n-- name: a\nSELECT 2"])
def test_an_empty_or_repeated_statement_is_an_error(text: str) -> None:
    """A name without a statement, or with two, is found when the file is read."""
    with pytest.raises(ValueError, match="statement"):
        statements.parse(text)


def test_every_statement_is_used() -> None:
    """No statement is left behind by the code that ran it."""
    code = "".join(file.read_text() for file in (*FOLDER.glob("*.py"), *FOLDER.parent.joinpath("sql").glob("*.py")))
    unused = [name for name in statements.load("holdfast.stores.sqlite") if not re.search(rf'"{name}"', code)]
    assert unused == []


@pytest.fixture(scope="module")
def connection() -> Iterator[apsw.Connection]:
    """Return an empty database with the schema."""
    connection = apsw.Connection(":memory:")
    schema.migrate(connection, 0.0, schema.load())
    yield connection
    connection.close()


@pytest.mark.parametrize("name", statements.load("holdfast.stores.sqlite"))
def test_a_statement_uses_an_index(name: str, connection: apsw.Connection) -> None:
    """No statement walks over a whole table, but for those that say why."""
    count = len(set(re.findall(r"\?(\d+)", statements.load("holdfast.stores.sqlite")[name])))
    plan = connection.execute(
        f"EXPLAIN QUERY PLAN {statements.load('holdfast.stores.sqlite')[name]}", [1] * count
    ).fetchall()
    scans = [
        row[3] for row in plan if re.match(r"SCAN (?!.*(USING|VIRTUAL|CONSTANT|chain|json_each|\(subquery))", row[3])
    ]
    if name not in MAY_SCAN:
        assert not scans, plan
