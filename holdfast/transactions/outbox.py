"""The outbox: runs that were enqueued in transactions of the user's own, until they are moved to the store.

Owns: the table beside the user's data, its form, and every statement on it.
Must not know: drivers; `{name}` in a statement stands for a value, however a driver writes that.

A row is there if and only if the transaction that enqueued its run has committed. Whoever moves it starts the run first
and takes the row away afterwards: in between the row means a run that exists already, and starting it again finds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

OUTBOX: Final = "holdfast_outbox"

_COLUMNS: Final = """\
  run_id TEXT NOT NULL UNIQUE,
  workflow TEXT NOT NULL,
  input TEXT NOT NULL,
  request TEXT NOT NULL,
  refused TEXT NOT NULL DEFAULT '',
  made_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
)"""

CREATE_OUTBOX: Final = (
    f"CREATE TABLE IF NOT EXISTS {OUTBOX} (\n  number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n{_COLUMNS}"
)
"""The table, on PostgreSQL."""
CREATE_OUTBOX_IN_FILE: Final = f"CREATE TABLE IF NOT EXISTS {OUTBOX} (\n  number INTEGER PRIMARY KEY,\n{_COLUMNS}"
"""The table, on SQLite."""

# No value is pasted into these; the name of the table is.
ADD: Final = (
    f"INSERT INTO {OUTBOX} (run_id, workflow, input, request) "  # noqa: S608
    "VALUES ({run_id}, {workflow}, {input}, {request}) ON CONFLICT (run_id) DO NOTHING RETURNING run_id"
)
FIND: Final = f"SELECT workflow, input, refused FROM {OUTBOX} WHERE run_id = {{run_id}}"  # noqa: S608
TAKE: Final = (
    f"SELECT number, run_id, workflow, input, request FROM {OUTBOX} "  # noqa: S608
    "WHERE refused = '' AND number > {after} ORDER BY number LIMIT {limit}"
)
DROP: Final = f"DELETE FROM {OUTBOX} WHERE number = {{number}}"  # noqa: S608
REFUSE: Final = f"UPDATE {OUTBOX} SET refused = {{reason}} WHERE number = {{number}}"  # noqa: S608
COUNT: Final = (
    "SELECT count(CASE WHEN refused = '' THEN 1 END), count(CASE WHEN refused <> '' THEN 1 END) "  # noqa: S608
    f"FROM {OUTBOX}"
)


class Place(Protocol):
    """A database of the user's, as whoever keeps the tables beside the user's data asks it."""

    @property
    def name(self) -> str:
        """What people and logs are shown: without a password."""

    async def ask(self, statement: str, rows: Sequence[dict[str, Any]] = ({},)) -> list[tuple[Any, ...]]:
        """Run a statement with the values of each row, all in one transaction; return the rows of the last one.

        Raises:
            StoreError: the database cannot be reached, or refuses.
        """

    async def close(self) -> None:
        """Give up the connection, if there is one."""
