"""The same statement over the same rows comes to the same on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Sequence
from typing import Any

import apsw
import asyncpg
import pytest

from holdfast.stores import sqlite
from holdfast.stores.sql import statements
from holdfast.stores.sqlite import schema
from tests.servers.postgres import Postgres
from tests.unit.stores.postgres.desk import Desk, desk_at, takes_many

ROWS = 32
ROUNDS = 200
ENOUGH = 2
"""How often a statement has to find or change something; it is run until it has, but ROUNDS times at most."""
TOKEN = 1_000_000
"""Above everything that the test's own counter says, so that both databases take the one that is given."""

APART = {
    "read_now": "each has its own clock",
    "read_refused": "SQLite counts in the row that it writes with every commit",
    "put_change": "numbered by the transaction",
    "lock_line": "whoever writes to SQLite is alone anyway",
    "lock_lines": "as above",
    "find_delivery_of_body": "any of them will do",
}
ANY = {"due_schedules"}
"""Statements that return any of what they find: they are asked for all."""
INSERTED = {"start_execution", "create_execution", "join_line", "put_drift"}
"""Statements that only PostgreSQL has to say the new id of."""
STATUSES = (
    "RUNNING",
    "RUNNING",
    "RUNNING",
    "PARKED",
    "PARKED",
    "PAUSED",
    "COMPLETED",
    "FAILED",
    "TIMED_OUT",
    "CANCELLED",
)
TEXTS = ("", "a", "b", "B", "ä", "v1", "v2", "c", "d", "e")
BYTES = (b"", b"\x00", b"ab", b"cab")
KINDS = ("signal", "cancel", "terminate", "update", "query", "outcome")

COLUMNS: dict[str, Sequence[Any]] = {
    "executions.status": STATUSES,
    "executions.captured": (*STATUSES, ""),
    "notices.status": ("WAITING", "DUE", "SENT", "UNSENT"),
    "deliveries.state": ("accepted", "refused", "failed"),
    "members.pools": ('[["a", 2], ["b", 1]]', "[]", '[["a", 3]]'),
    "members.workflows": ("[]", '["a"]'),
    "members.state": ("alive", "left", "dead"),
    "inbox.kind": KINDS,
    "requests.kind": KINDS,
    "gatherings.state": ("open", "full", "begun", "refused"),
    "executions.workflow": ("a", "b"),
    "executions.ready": (0, 1),
    "executions.starts_at": (0.0, 0.0, 0.0, 0.0, 20.0),
    "executions.tip": (5, 12, 20, 30),
    "events.execution": (1, 2, 3),
    "task_queue.task": ("a", "b"),
    "task_queue.pool": ("a", "b"),
    "task_queue.state": (0, 1, 2, 3, 5),
    "task_queue.limits": (b"", b"\x00", b"", b"cab"),
    "chunks.task": ("a", "b"),
    "chunks.pool": ("a", "b"),
    "budgets.per": ("run", "day"),
    "limit_rules.kind": ("concurrency", "rate"),
}
"""What stands in columns whose values mean something."""


OTHERS: dict[str, Sequence[Any]] = {
    "int2": (0, 1),
    "int8": (0, 1, 2, 3, 5 * ROWS),
    "float8": (0.0, 2_000.0, 9_999.0),
    "bytea": BYTES,
    "text": (*TEXTS, *STATUSES, "[]"),
}
"""What bindings may be besides what is there."""
NAMES = {"float8": "double precision"}


class Pair:
    """Both databases, with the same rows."""

    def __init__(self, desk: Desk, file: apsw.Connection) -> None:
        self.desk, self.file = desk, file
        self.random = random.Random(1)
        self.theirs = statements.load(sqlite.__name__)
        self.tables: dict[str, dict[str, tuple[str, bool]]] = {}
        """Table to those of its columns that both have: type, and whether it may be NULL."""
        self.there: dict[str, list[tuple[Any, ...]]] = {}
        """Table to what is in it before and after each statement."""
        self._types: dict[str, list[str]] = {}
        self._numbers = self._floats()
        self._fill()

    def _floats(self) -> Iterator[float]:
        """Yield numbers of which no two are the same: what is taken first must not be a matter of chance."""
        yield from self.random.sample([each / 8 for each in range(40_000)], 40_000)

    def _fill(self) -> None:
        found = self.desk.fetch("""
            SELECT table_name, column_name, udt_name, is_nullable = 'YES' FROM information_schema.columns
            WHERE table_schema = current_schema() AND table_name <> 'marks' ORDER BY table_name, ordinal_position
        """)
        known = {table for (table,) in self.file.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        for table, column, type_, nullable in found:
            if table in known:
                self.tables.setdefault(table, {})[column] = (type_, nullable)
        for table, columns in self.tables.items():
            self.random.seed(f"{table} 2")  # what is in the others does not depend on a new one
            names = ", ".join(columns)
            places = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
            rows = [[self._invent(table, column, number) for column in columns] for number in range(1, ROWS + 1)]
            into = f"INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE"
            self.desk.execute_many(f"{into} VALUES ({places}) ON CONFLICT DO NOTHING", rows)
            extra = ", commit_number" if table == "events" else ""
            marks = ", ".join("?" * len(columns)) + (", 0" if extra else "")
            self.there[table] = self.contents(table)
            self.file.executemany(f"INSERT INTO {table} ({names}{extra}) VALUES ({marks})", self.there[table])

    def _invent(self, table: str, column: str, number: int) -> Any:
        type_, nullable = self.tables[table][column]
        if column in {"id", "seq"} or (table, column) in {("members", "member"), ("tips", "execution")}:
            return number
        if column == "previous":
            return self.random.randrange(number)  # an earlier page: chains have an end
        if nullable and self.random.random() < 0.5:
            return None
        if values := COLUMNS.get(f"{table}.{column}"):
            return self.random.choice(values)
        if column in {"digest", "key_hash"}:
            return b"%d" % (self.random.randint(1, ROWS) if table == "blob_uses" else number)
        match type_:
            case "int2":
                return self.random.choice((0, 1, 2, 3) if column == "state" else (0, 1))
            case "int8":
                return self.random.randint(1, 8 if number <= ROWS else 5 * ROWS)
            case "float8":
                return next(self._numbers)
            case "bytea":
                return self.random.choice(BYTES)
            case _:
                return self.random.choice(TEXTS if number <= ROWS else ("a", f"new {number}"))

    def contents(self, table: str) -> list[tuple[Any, ...]]:
        """Return a table as the server has it."""
        return self.desk.fetch(f"SELECT {', '.join(self.tables[table])} FROM {table}")

    def contents_of_file(self, table: str) -> list[tuple[Any, ...]]:
        """Return a table as the file has it."""
        return self.file.execute(f"SELECT {', '.join(self.tables[table])} FROM {table}").fetchall()

    def draw(self, name: str) -> list[list[Any]]:
        """Return rows of bindings for a statement, for the most part of what is there."""
        text = self.desk.sql[name]
        if name not in self._types:
            self._types[name] = [each.name for each in self.desk.prepare(name).parameters]
        rows = []
        for _ in range(self.random.randint(1, 3) if takes_many(text) else 1):
            row = self._one_row(text) if self.random.random() < 0.7 else {}
            rows.append([self._draw_one(name, number, type_, row) for number, type_ in enumerate(self._types[name], 1)])
        return list({row[0]: row for row in rows}.values()) if takes_many(text) else rows

    def _one_row(self, text: str) -> dict[int, Any]:
        """Return bindings that belong together: to a new row, or to one that is there."""
        given = re.search(r"AS given \(([^)]*)\)", text)
        names = re.split(r",\s*", given[1]) if given else []
        if found := re.match(
            r"(?:--.*\n)*INSERT INTO (\w+) \(([^)]*)\)\s*(?:SELECT \*|VALUES \(([^)]*)\)|SELECT)", text
        ):
            table, columns, values = found[1], re.split(r",\s*", found[2].strip()), found[3]
            if values is not None:
                numbered = {
                    int(each[1:]): column
                    for each, column in zip(re.split(r",\s*", values), columns, strict=True)
                    if "$" in each
                }
            else:
                numbered = dict(enumerate(names or (columns if takes_many(text) else ()), 1))
            number = self.random.randint(ROWS + 1, 3 * ROWS)
            known = self.tables[table]
            return {place: self._invent(table, column, number) for place, column in numbered.items() if column in known}
        compared = {column: f"given.{name}" for column, name in re.findall(r"\w+\.(\w+) <?= given\.(\w+)", text)}
        tables = [table for table in self.tables if re.search(rf"\b{table}\b", text) and self.there[table]]
        if not tables:
            return {}
        table = self.random.choice(tables)
        row = dict(zip(self.tables[table], self.random.choice(self.there[table]), strict=True))
        condition = text[text.index("WHERE") :] if "WHERE" in text else ""
        found_there = {}
        for column, value in row.items():
            for number in re.findall(rf"\b{column} (?:=|<=|>=) \$(\d+)", condition):
                found_there[int(number)] = value
            if (name := compared.get(column, "").removeprefix("given.")) in names:
                found_there[names.index(name) + 1] = value
        return found_there

    def _draw_one(self, name: str, number: int, type_: str, row: dict[int, Any]) -> Any:
        text = self.desk.sql[name]
        if re.search(rf"(LIMIT|OFFSET) (nullif\()?\${number}\b", text):
            return ROWS if name in ANY else self.random.choice((0, 1, 2, 5, 100))
        if re.search(rf"greatest\(\${number}\b", text):
            return TOKEN
        if type_ in {"json", "json[]"} or f"${number}::json" in text:
            return self._draw_json(number, text)
        if number in row:
            return row[number]
        may_be_null = f"${number}::{NAMES.get(type_, type_)} IS NULL" in text
        if may_be_null and self.random.random() < 0.6:
            return None
        base = type_.removesuffix("[]")
        there = [
            value
            for table in self.tables
            if re.search(rf"\b{table}\b", text)
            for place, (column_type, _) in enumerate(self.tables[table].values())
            if column_type == base
            for value in (row[place] for row in self.there[table])
            if value is not None
        ]
        return self.random.choice(there) if there and self.random.random() < 0.8 else self.random.choice(OTHERS[base])

    def _draw_json(self, number: int, text: str) -> str | None:
        if f"${number}::text IS NULL" in text and self.random.random() < 0.5:
            return None
        if "given ->> 2" in text:  # rows, and where they are to stand
            ids = self.random.sample(range(1, ROWS + 1), 8)
            return json.dumps([[id_, self.random.choice(TEXTS[1:]), self.random.choice((4, 5))] for id_ in ids])
        if f"json_array_elements(${number}" in text:
            if "pair ->>" in text:  # of workflows and versions
                return json.dumps([[name, self.random.choice(("", "v1", "v2"))] for name in ("a", "b", "c")])
            pairs = [[row[0], row[1]] for row in self.there["attributes"]]
            return json.dumps(self.random.sample(pairs, 1) if self.random.random() < 0.5 else [])
        if "::bigint" in text:
            return json.dumps(self.random.sample(range(1, ROWS + 1), 8))
        return json.dumps(self.random.sample(("a", "b", "c", *STATUSES), 6))

    def compare_until_enough(self, name: str) -> bool:
        """Compare a statement again and again; return whether it ever found or changed anything."""
        self.random.seed(name)  # another statement more or less is nothing to this one
        found = 0
        for _ in range(ROUNDS):
            found += self.compare(name)
            if found == ENOUGH:
                break
        return found > 0

    def compare(self, name: str) -> bool:
        """Run a statement on both and undo it; return whether it found or changed anything."""
        bindings = self.draw(name)
        changed = re.findall(r"\b(?:UPDATE|INSERT INTO|DELETE FROM) ([a-z_]+)", self.theirs[name])
        self._align(changed)
        self.desk.execute("BEGIN")
        self.file.execute("BEGIN")
        try:
            ours, theirs = self._run(name, bindings), self._run_on_file(name, bindings)
            if (ours is None) != (theirs is None) and len(bindings) > 1:
                return False  # rows that are in each other's way: which come first is not said
            if ours is None or theirs is None:
                assert ours == theirs, (name, bindings, ours, theirs)
                return False
            if name not in INSERTED:
                assert _plain(ours) == _plain(theirs), (name, bindings)
            after = {table: _plain(self.contents_of_file(table)) for table in changed}
            for table in changed:
                assert _plain(self.contents(table)) == after[table], (name, bindings, table)
        finally:
            self.file.execute("ROLLBACK")
            self.desk.execute("ROLLBACK")
        return any(_plain(self.there[table]) != after[table] for table in changed) if changed else bool(ours)

    def _align(self, changed: Sequence[str]) -> None:
        """Let both give the next row of a table the same id."""
        for table in changed:
            if self.tables[table].get("id") and table not in {"inbox", "deliveries", "changes"}:
                self.desk.fetch("SELECT setval(pg_get_serial_sequence($1, 'id'), $2)", table, ROWS * 2)
                if self.file.execute("SELECT 1 FROM sqlite_sequence WHERE name = ?", (table,)).fetchone():
                    self.file.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = ?", (ROWS * 2, table))
                else:
                    self.desk.fetch(
                        f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"
                    )

    def _run(self, name: str, rows: list[list[Any]]) -> list[tuple[Any, ...]] | None:
        text = self.desk.sql[name]
        values = [list(column) for column in zip(*rows, strict=True)] if takes_many(text) else rows[0] if rows else []
        try:
            return self.desk.fetch(text, *values)
        except asyncpg.IntegrityConstraintViolationError:
            return None

    def _run_on_file(self, name: str, rows: list[list[Any]]) -> list[tuple[Any, ...]] | None:
        try:
            found = [row for bindings in rows or [[]] for row in self.file.execute(self.theirs[name], bindings)]
        except apsw.ConstraintError:
            return None
        return found


def _plain(rows: Sequence[Sequence[Any]]) -> list[str]:
    """Return rows in a form and an order in which the two databases can be compared."""
    return sorted(repr([int(each) if isinstance(each, bool) else _parsed(each) for each in row]) for row in rows)


def _parsed(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) and value.startswith(("{", "[")) else value


@pytest.fixture(scope="module")
def pair(postgres_server: Postgres) -> Iterator[Pair]:
    """Return both databases, filled."""
    dsn = postgres_server.create_database()
    file = apsw.Connection(":memory:")
    schema.migrate(file, 0.0, schema.load())
    with desk_at(dsn) as desk:
        yield Pair(desk, file)
    file.close()
    postgres_server.drop_database(dsn)


def test_statements_come_to_the_same_on_both_databases(pair: Pair) -> None:
    """They find the same rows and leave the same rows behind, or are refused for the same reason."""
    names = sorted(pair.desk.sql.keys() & pair.theirs.keys() - APART.keys())
    idle = [name for name in names if not pair.compare_until_enough(name)]
    assert idle == []


@pytest.mark.parametrize(
    ("name", "words", "others"),
    [
        ("first_waiting", "token IS NOT NULL", "token IS NULL"),
        ("end_member", "lives = 0", "lives = 1"),
        ("promote_tasks", "visible_at <= $1", "visible_at >= $1"),
    ],
)
def test_a_statement_that_means_something_else_is_found(pair: Pair, name: str, words: str, others: str) -> None:
    """What it returns, and what it leaves behind, gives it away."""
    right = pair.desk.sql
    assert words in right[name]
    pair.desk.sql = {**right, name: right[name].replace(words, others, 1)}
    try:
        with pytest.raises(AssertionError, match=name):
            pair.compare_until_enough(name)
    finally:
        pair.desk.sql = right
