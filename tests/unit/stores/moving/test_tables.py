"""Every table of every database travels, or it is said why it does not."""

from __future__ import annotations

import re
from pathlib import Path

import apsw

from holdfast.stores import sqlite
from holdfast.stores.moving import STAYING, TRAVELLING
from holdfast.stores.sqlite import schema


def test_every_table_of_a_file_is_listed() -> None:
    """A table that somebody adds later is not forgotten."""
    connection = apsw.Connection(":memory:")
    schema.migrate(connection, 0.0, schema.load())
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    connection.close()
    assert {each for each in tables if not each.startswith("sqlite_")} <= {*TRAVELLING, *STAYING}
    assert set(TRAVELLING) <= tables


def test_every_table_of_a_schema_is_listed() -> None:
    """So there is a place for each that travels."""
    files = (Path(sqlite.__file__).parents[1] / "postgres" / "migrations").glob("*.sql")
    tables = {
        name for file in files for name in re.findall(r"^CREATE TABLE (\w+)", file.read_text("utf-8"), re.MULTILINE)
    }
    assert tables <= {*TRAVELLING, *STAYING}
    assert set(TRAVELLING) <= tables


def test_none_does_both() -> None:
    """A table is listed once."""
    assert not set(TRAVELLING) & STAYING.keys()
    assert len(set(TRAVELLING)) == len(TRAVELLING)
