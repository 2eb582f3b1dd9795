-- Answers of hosts that are not as code expects them: one report for each change, and the runs parked under it.

CREATE TABLE drifts (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  host       TEXT NOT NULL,
  endpoint   TEXT NOT NULL,
  contract   TEXT NOT NULL,
  changes    BLOB NOT NULL,              -- JSON
  first_seen REAL NOT NULL,
  first_run  TEXT NOT NULL,              -- the run that found it
  runs       INTEGER NOT NULL DEFAULT 0, -- how many were parked under it
  settled_at REAL,                       -- NULL: open
  settled_by TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE UNIQUE INDEX drifts_open ON drifts (host, endpoint) WHERE settled_at IS NULL;

-- Few runs are parked; those of one report stand side by side.
CREATE INDEX executions_parked ON executions (parked) WHERE status = 'PARKED';
