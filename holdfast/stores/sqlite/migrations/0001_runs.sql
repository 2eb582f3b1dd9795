-- Runs, their histories, their mail, and who works on them.
-- Times are seconds since the epoch by the store's clock. Bodies are opaque.

CREATE TABLE meta (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  commit_number INTEGER NOT NULL,   -- write transactions so far
  head BLOB NOT NULL,               -- hash chain over the pages of all commits
  now REAL NOT NULL,                -- the store's time at its last write; it never goes back
  token INTEGER NOT NULL,           -- newest number of the store-wide counter; it never goes back
  refused INTEGER NOT NULL          -- writes refused because their author had lost its lease
) STRICT;
INSERT INTO meta (id, commit_number, head, now, token, refused) VALUES (1, 0, zeroblob(16), 0.0, 0, 0);

-- Times at which a store was opened that had fewer commits than the side file said.
CREATE TABLE losses (
  id INTEGER PRIMARY KEY,
  found_at REAL NOT NULL,
  expected INTEGER NOT NULL,
  found INTEGER NOT NULL
) STRICT;

CREATE TABLE members (
  member INTEGER PRIMARY KEY,       -- from the counter: never used again
  epoch INTEGER NOT NULL,
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  host TEXT NOT NULL,
  pid INTEGER NOT NULL,
  state TEXT NOT NULL,              -- alive, blocked at ..., left, dead
  lives INTEGER NOT NULL,           -- 1 until it left or was declared dead; from then on its writes are refused
  joined_at REAL NOT NULL,
  expires_at REAL NOT NULL,
  lease_seconds REAL NOT NULL,
  workflows TEXT NOT NULL,          -- JSON array of names
  pools TEXT NOT NULL,              -- JSON array of [pool, slots]
  refused INTEGER NOT NULL DEFAULT 0,
  reaped_at REAL NOT NULL,          -- when it last looked for dead members
  reaps_from REAL NOT NULL DEFAULT 0.0, -- it was away itself: it declares nobody dead before this
  grip INTEGER NOT NULL DEFAULT 0   -- which store object's memory of its executions is right; 0 is none's
) STRICT;
CREATE INDEX members_by_expiry ON members (expires_at) WHERE lives = 1;

CREATE TABLE executions (
  id INTEGER PRIMARY KEY,
  run_id TEXT NOT NULL,
  number INTEGER NOT NULL,          -- 1 for the first execution of the run
  newest INTEGER NOT NULL DEFAULT 1,
  workflow TEXT NOT NULL,
  status TEXT NOT NULL,
  input_digest BLOB NOT NULL,
  code_version TEXT NOT NULL,
  created_at REAL NOT NULL,
  closed_at REAL,
  outcome BLOB,
  last INTEGER,                     -- what `tips` said when it closed
  tip INTEGER,
  owner INTEGER,                    -- a member
  ready INTEGER NOT NULL,           -- 1: worth claiming now
  wake_at REAL,                     -- when its next timer is due
  recoveries INTEGER NOT NULL DEFAULT 0,
  parked TEXT NOT NULL DEFAULT '',  -- the reason, while status is PARKED
  parts INTEGER NOT NULL DEFAULT 0, -- what else it has ever had: 1 queued tasks, 2 fan-outs, 4 lock places
  UNIQUE (run_id, number)
) STRICT;
CREATE INDEX executions_owned ON executions (owner) WHERE owner IS NOT NULL;
CREATE INDEX executions_ready ON executions (workflow) WHERE ready = 1 AND owner IS NULL AND status = 'RUNNING';
CREATE INDEX executions_wake ON executions (wake_at)
  WHERE wake_at IS NOT NULL AND ready = 0 AND owner IS NULL AND status = 'RUNNING';
CREATE INDEX executions_status ON executions (status) WHERE newest = 1;

-- The histories: a log, appended to only, one row for each page. It has no index: an index by execution is written all
-- over with every commit, once runs are long. Each page names the one before it, and `tips` the newest of each open
-- execution: a table so small that a commit touches few of its pages.
CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  previous INTEGER NOT NULL,        -- seq of the same execution's page before this one; 0 for its first
  execution INTEGER NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  commit_number INTEGER NOT NULL,
  body BLOB NOT NULL,
  hash BLOB NOT NULL
) STRICT;

CREATE TABLE tips (
  execution INTEGER PRIMARY KEY,
  last INTEGER NOT NULL,
  seq INTEGER NOT NULL
) STRICT;

CREATE TABLE blobs (
  digest BLOB PRIMARY KEY,
  content BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Messages that are not in history yet. Ids come from the counter, so that "up to this id" has a meaning for ever.
CREATE TABLE inbox (
  execution INTEGER NOT NULL,
  id INTEGER NOT NULL,
  owner INTEGER,                    -- the execution's owner, repeated: an owner reads its mail without a scan
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  body BLOB NOT NULL,
  operation_id TEXT NOT NULL,
  sender TEXT NOT NULL,
  received_at REAL NOT NULL,
  PRIMARY KEY (execution, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX inbox_owned ON inbox (owner, id) WHERE owner IS NOT NULL;

-- Operation ids an open execution has had, read or unread: a second delivery is no second message.
CREATE TABLE delivered (
  execution INTEGER NOT NULL,
  operation_id TEXT NOT NULL,
  inbox_id INTEGER NOT NULL,
  PRIMARY KEY (execution, operation_id)
) STRICT, WITHOUT ROWID;
