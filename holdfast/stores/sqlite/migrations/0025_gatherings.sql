-- Events that wait for one another, and become one run.

CREATE TABLE gatherings (
  id INTEGER PRIMARY KEY,           -- from the counter
  workflow TEXT NOT NULL,
  key TEXT NOT NULL,
  run_id TEXT NOT NULL,             -- of the run that is to begin
  state TEXT NOT NULL DEFAULT 'open', -- open, full, begun or refused
  size INTEGER NOT NULL,            -- how many events are enough; 0 where only the last one counts
  events INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0,
  opened_at REAL NOT NULL,
  latest REAL NOT NULL,             -- it is due then, whatever comes
  due_at REAL NOT NULL,
  begun_at REAL,                    -- when its run was begun or refused
  reason TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE UNIQUE INDEX gatherings_open ON gatherings (workflow, key) WHERE state = 'open';
CREATE INDEX gatherings_due ON gatherings (due_at) WHERE state IN ('open', 'full');
CREATE INDEX gatherings_begun ON gatherings (begun_at) WHERE state = 'begun';

CREATE TABLE gathered (
  gathering INTEGER NOT NULL,
  number INTEGER NOT NULL,
  workflow TEXT NOT NULL,
  event_id TEXT NOT NULL,
  event BLOB NOT NULL,              -- empty once it is in a run, or a later one counts
  PRIMARY KEY (gathering, number)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX gathered_event ON gathered (workflow, event_id) WHERE event_id <> '';
