-- Runs, their histories, their mail, and who works on them.
--
-- Times are seconds since the epoch by the store's clock. Bodies are opaque. Flags are 0 and 1. Texts that are looked up
-- or sorted are compared byte by byte (COLLATE "C"), whatever the rules of the database are: cheaper, and the same order
-- everywhere. Every table is in the schema that the store was given; no statement names it.

-- One counter for everything that must never come again: members, epochs, fencing tokens, ids of messages.
CREATE SEQUENCE tokens AS bigint;

-- One row for each write of the last minutes: whoever got no answer to a COMMIT looks here for what came of it.
CREATE TABLE marks (
  writer bigint NOT NULL,           -- a store object
  number bigint NOT NULL,           -- its how manieth write
  attempt bigint NOT NULL,
  at double precision NOT NULL,     -- the store's time
  PRIMARY KEY (writer, number)
) WITH (autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX marks_by_time ON marks (at);

CREATE TABLE members (
  member bigint PRIMARY KEY,        -- from the counter: never used again
  epoch bigint NOT NULL,
  name text NOT NULL,
  kind text NOT NULL,
  host text NOT NULL,
  pid bigint NOT NULL,
  state text NOT NULL,              -- alive, blocked at ..., left, dead
  lives smallint NOT NULL,          -- 1 until it left or was declared dead; from then on its writes are refused
  joined_at double precision NOT NULL,
  expires_at double precision NOT NULL,
  lease_seconds double precision NOT NULL,
  workflows text NOT NULL,          -- JSON array of names
  pools text NOT NULL,              -- JSON array of [pool, slots]
  refused bigint NOT NULL DEFAULT 0,
  reaped_at double precision NOT NULL,           -- when it last looked for dead members
  reaps_from double precision NOT NULL DEFAULT 0, -- it was away itself: it declares nobody dead before this
  grip bigint NOT NULL DEFAULT 0,   -- which store object's memory of its executions is right; 0 is none's
  versions text NOT NULL DEFAULT '{}' -- JSON object of workflow to version; {} says that it did not say
) WITH (fillfactor = 50);
-- Not by expiry: a heartbeat then touches no index.
CREATE INDEX members_living ON members (member) WHERE lives = 1;

-- What members that are forgotten were refused, and those that nobody knows.
CREATE TABLE refusals (
  refused bigint NOT NULL
);
INSERT INTO refusals (refused) VALUES (0);

CREATE TABLE executions (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run_id text COLLATE "C" NOT NULL,
  number bigint NOT NULL,           -- 1 for the first execution of the run
  newest smallint NOT NULL DEFAULT 1,
  workflow text COLLATE "C" NOT NULL,
  status text COLLATE "C" NOT NULL,
  input_digest bytea NOT NULL,
  code_version text COLLATE "C" NOT NULL,
  created_at double precision NOT NULL,
  closed_at double precision,
  outcome bytea,
  last bigint,                      -- what `tips` said when it closed
  tip bigint,
  owner bigint,                     -- a member
  ready smallint NOT NULL,          -- 1: worth claiming now
  wake_at double precision,         -- when its next timer is due
  recoveries bigint NOT NULL DEFAULT 0,
  parked text COLLATE "C" NOT NULL DEFAULT '', -- the reason, while status is PARKED
  parts bigint NOT NULL DEFAULT 0,  -- what else it has ever had: see holdfast/stores/sql/parts.py
  paused_by text NOT NULL DEFAULT '',
  paused_reason text NOT NULL DEFAULT '',
  paused_at double precision,
  captured text COLLATE "C" NOT NULL DEFAULT '', -- the status for which a capture was seen to
  pin text COLLATE "C" NOT NULL DEFAULT '',      -- the only code version that may claim it; '' is any
  misfit text COLLATE "C" NOT NULL DEFAULT '',   -- the code version it was parked by, as diverged
  pruned smallint NOT NULL DEFAULT 0, -- 1: its pages are empty, only their hashes are left
  UNIQUE (run_id, number)
);
CREATE INDEX executions_owned ON executions (owner) WHERE owner IS NOT NULL;
CREATE INDEX executions_ready ON executions (workflow, id) WHERE ready = 1 AND owner IS NULL AND status = 'RUNNING';
CREATE INDEX executions_wake ON executions (wake_at)
  WHERE wake_at IS NOT NULL AND ready = 0 AND owner IS NULL AND status = 'RUNNING';
CREATE INDEX executions_status ON executions (status, id) WHERE newest = 1;
-- Holds only what still waits: looking for it costs nothing while nothing goes wrong.
CREATE INDEX executions_uncaptured ON executions (id)
  WHERE status IN ('FAILED', 'TIMED_OUT', 'PARKED') AND captured <> status;

-- The histories: a log, appended to only, one row for each page. It has no index by execution: each page names the one
-- before it, and `tips` the newest of each open execution. The number of a page is that of its transaction, followed by
-- 20 bits that count within it: so a reader knows which numbers may still come, see queries/changes.sql.
CREATE TABLE events (
  seq bigint PRIMARY KEY,
  previous bigint NOT NULL,         -- seq of the same execution's page before this one; 0 for its first
  execution bigint NOT NULL,
  first bigint NOT NULL,
  last bigint NOT NULL,
  body bytea NOT NULL,
  hash bytea NOT NULL
);

CREATE TABLE tips (
  execution bigint PRIMARY KEY,
  last bigint NOT NULL,
  seq bigint NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

CREATE TABLE blobs (
  digest bytea PRIMARY KEY,
  content bytea NOT NULL
);

-- Which executions name which payloads outside their pages. Noted in the transaction that names them.
CREATE TABLE blob_uses (
  execution bigint NOT NULL,
  digest bytea NOT NULL,
  PRIMARY KEY (execution, digest)
);
CREATE INDEX blob_uses_digest ON blob_uses (digest);

-- Messages that are not in history yet. Ids come from the counter, so that "up to this id" has a meaning for ever.
CREATE TABLE inbox (
  execution bigint NOT NULL,
  id bigint NOT NULL,
  owner bigint,                     -- the execution's owner, repeated: an owner reads its mail without a scan
  kind text COLLATE "C" NOT NULL,
  name text NOT NULL,
  body bytea NOT NULL,
  operation_id text NOT NULL,
  sender text NOT NULL,
  received_at double precision NOT NULL,
  PRIMARY KEY (execution, id)
) WITH (autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX inbox_owned ON inbox (owner, id) WHERE owner IS NOT NULL;

-- Operation ids an open execution has had, read or unread: a second delivery is no second message.
CREATE TABLE delivered (
  execution bigint NOT NULL,
  operation_id text COLLATE "C" NOT NULL,
  inbox_id bigint NOT NULL,
  carried bigint NOT NULL DEFAULT 0, -- how often it went along when its run went on as a new execution
  PRIMARY KEY (execution, operation_id)
) WITH (autovacuum_vacuum_scale_factor = 0.02);

-- Executions that were taken from a living member, which does not know it yet.
CREATE TABLE taken (
  member bigint NOT NULL,
  execution bigint NOT NULL,
  PRIMARY KEY (member, execution)
);

-- Executions that time out, until they have closed or were timed out.
CREATE TABLE deadlines (
  execution bigint PRIMARY KEY,
  due double precision NOT NULL
);
CREATE INDEX deadlines_due ON deadlines (due);

-- Who waits for whose end. `parent` has no row left once it has closed; an empty `step` is one that nobody waits for any
-- more, because its parent went on as a new execution.
CREATE TABLE children (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  parent bigint NOT NULL,           -- an execution
  step text COLLATE "C" NOT NULL,
  child bigint NOT NULL,            -- an execution: the newest of the child's run
  parent_close text NOT NULL        -- terminate, cancel, abandon
);
CREATE INDEX children_parent ON children (parent, step);
CREATE INDEX children_child ON children (child);

-- What a run is found by, and what was noted about it. Both belong to the run's newest execution.
CREATE TABLE attributes (
  name text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,    -- what the value looks like
  execution bigint NOT NULL,
  value text NOT NULL,              -- a literal, see holdfast/history/attributes.py
  PRIMARY KEY (name, key, execution)
);
CREATE UNIQUE INDEX attributes_execution ON attributes (execution, name);

CREATE TABLE memos (
  execution bigint PRIMARY KEY,
  body bytea NOT NULL
);

-- Runs that were parked, paused or set going again: what no history tells. Numbered as pages are.
CREATE TABLE changes (
  id bigint PRIMARY KEY,
  execution bigint NOT NULL,
  status text NOT NULL,
  at double precision NOT NULL,
  page bigint NOT NULL              -- it comes after this page, and before all higher ones
);

-- Look for mail of an execution that is about to close. First of all its row is locked, as whoever delivers locks it: the
-- second statement sees what was delivered while this waited for the lock, which no single statement would.
CREATE FUNCTION look_before_closing(wanted bigint, mail_read bigint, OUT unread boolean, OUT had_mail boolean)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM executions WHERE id = wanted FOR NO KEY UPDATE;
  SELECT EXISTS (SELECT FROM inbox WHERE execution = wanted AND id > mail_read),
         EXISTS (SELECT FROM inbox WHERE execution = wanted)
           OR EXISTS (SELECT FROM delivered WHERE execution = wanted)
  INTO unread, had_mail;
END
$$;
