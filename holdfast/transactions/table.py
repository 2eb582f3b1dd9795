"""The table of outcomes, which lies beside the user's own.

Owns: its name, its form, and every statement on it.
Must not know: drivers; `{name}` in a statement stands for a value, however a driver writes that.

A row is inserted before the body of a transaction runs and is committed with what the body did. So a row that can be
seen always has its result, and whoever comes second waits for the first at the unique key.
"""

from __future__ import annotations

from typing import Final

TABLE: Final = "holdfast_outcomes"

CREATE_TABLE: Final = f"""\
CREATE TABLE IF NOT EXISTS {TABLE} (
  step TEXT PRIMARY KEY,
  body TEXT NOT NULL,
  result TEXT NOT NULL,
  made_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
)"""

MIGRATE: Final = "Make it once: holdfast migrate --outcomes postgresql://user@host/database, or sqlite:///PATH"
"""What to do where the database lacks it."""

# No value is pasted into these; the name of the table is.
CLAIM: Final = (
    f"INSERT INTO {TABLE} (step, body, result) VALUES ({{step}}, {{body}}, '') "  # noqa: S608
    "ON CONFLICT (step) DO NOTHING RETURNING step"
)
READ: Final = f"SELECT body, result FROM {TABLE} WHERE step = {{step}}"  # noqa: S608
KEEP: Final = f"UPDATE {TABLE} SET result = {{result}} WHERE step = {{step}}"  # noqa: S608
