-- What is started by itself, and what came of it.

CREATE TABLE schedules (
  name TEXT PRIMARY KEY,
  revision INTEGER NOT NULL,        -- from the counter: a change is made to the newest one or not at all
  source TEXT NOT NULL,             -- code, config or api
  spec BLOB NOT NULL,
  input BLOB NOT NULL,
  state BLOB NOT NULL,
  next_at REAL,                     -- when it has to be looked at next
  created_at REAL NOT NULL,
  changed_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX schedules_due ON schedules (next_at) WHERE next_at IS NOT NULL;

CREATE TABLE schedule_fires (
  id INTEGER PRIMARY KEY,
  schedule TEXT NOT NULL,
  kind TEXT NOT NULL,               -- due, backfill or now
  outcome TEXT NOT NULL,            -- started, found, skipped, missed or refused
  due INTEGER NOT NULL,             -- the first of several in a row
  until INTEGER NOT NULL,           -- the last of them
  count INTEGER NOT NULL,
  run_id TEXT NOT NULL,
  words TEXT NOT NULL,
  noted_at REAL NOT NULL,
  is_open INTEGER NOT NULL          -- 1: the end of its run has not been taken into account
) STRICT;
CREATE INDEX schedule_fires_of ON schedule_fires (schedule, id);
CREATE INDEX schedule_fires_open ON schedule_fires (schedule, run_id) WHERE is_open = 1;
