-- What people decided about pools: one that is paused, or may have so many tasks under way at once. Others have no row.

CREATE TABLE pools (
  name       TEXT PRIMARY KEY,
  paused     INTEGER NOT NULL DEFAULT 0,
  slots      INTEGER,                    -- NULL: as many as its workers have
  by         TEXT NOT NULL,              -- who decided last
  reason     TEXT NOT NULL,
  changed_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
