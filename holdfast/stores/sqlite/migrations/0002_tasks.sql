-- Queued tasks and fan-outs: work that members claim.
--
-- `state` of a row: 0 delayed, 1 ready, 2 claimed (it has an owner), 3 set aside with its parked run. Ready rows are
-- indexed in the order in which claims take them, delayed ones by time. A claim first moves what has become due from
-- the second to the first, so that neither a long backlog nor many delayed retries are ever walked over.

CREATE TABLE task_queue (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  execution  INTEGER NOT NULL,
  step       TEXT    NOT NULL,
  task       TEXT    NOT NULL,
  pool       TEXT    NOT NULL,
  priority   INTEGER NOT NULL,
  input      BLOB    NOT NULL,
  options    BLOB    NOT NULL,
  failures   BLOB    NOT NULL,
  progress   BLOB    NOT NULL DEFAULT x'',
  attempt    INTEGER NOT NULL,
  recoveries INTEGER NOT NULL DEFAULT 0,
  queued_at  REAL    NOT NULL,
  visible_at REAL    NOT NULL,
  state      INTEGER NOT NULL,
  owner      INTEGER,
  own        INTEGER NOT NULL DEFAULT 0,
  token      INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE UNIQUE INDEX task_queue_step ON task_queue (execution, step);
CREATE INDEX task_queue_ready ON task_queue (pool, priority DESC, id, task, visible_at, state) WHERE state = 1;
CREATE INDEX task_queue_delayed ON task_queue (visible_at, state) WHERE state = 0;
CREATE INDEX task_queue_owned ON task_queue (owner, pool) WHERE owner IS NOT NULL;

-- `done` and `failed` are what a count over the outcomes would give; they are kept so that no write has to count.
CREATE TABLE fan_outs (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  execution    INTEGER NOT NULL,
  step         TEXT    NOT NULL,
  task         TEXT    NOT NULL,
  options      BLOB    NOT NULL,
  failures_max INTEGER NOT NULL,
  count        INTEGER NOT NULL,
  done         INTEGER NOT NULL DEFAULT 0,
  failed       INTEGER NOT NULL DEFAULT 0,
  closed       INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE UNIQUE INDEX fan_outs_step ON fan_outs (execution, step);

-- The inputs, in slices of consecutive items, written once. A slice is known by the index of its first item.
CREATE TABLE slices (
  id      INTEGER PRIMARY KEY,
  fan_out INTEGER NOT NULL,
  first   INTEGER NOT NULL,
  items   BLOB    NOT NULL
) STRICT;

CREATE UNIQUE INDEX slices_first ON slices (fan_out, first);

-- Items to be run together: all of one slice, or those of it that are tried again. Bit i of `pending` (little endian)
-- stands for the item with index `first` + i. Small and often written, so apart from the inputs.
CREATE TABLE chunks (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  fan_out    INTEGER NOT NULL,
  first      INTEGER NOT NULL,
  pending    BLOB    NOT NULL,
  task       TEXT    NOT NULL,
  pool       TEXT    NOT NULL,
  priority   INTEGER NOT NULL,
  attempt    INTEGER NOT NULL,
  recoveries INTEGER NOT NULL DEFAULT 0,
  queued_at  REAL    NOT NULL,
  visible_at REAL    NOT NULL,
  state      INTEGER NOT NULL,
  owner      INTEGER,
  token      INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX chunks_fan_out ON chunks (fan_out);
CREATE INDEX chunks_ready ON chunks (pool, priority DESC, id, task, visible_at, state) WHERE state = 1;
CREATE INDEX chunks_delayed ON chunks (visible_at, state) WHERE state = 0;
CREATE INDEX chunks_owned ON chunks (owner, pool) WHERE owner IS NOT NULL;

-- Outcomes as they came in, a few to a row; `first` is the slice they belong to.
CREATE TABLE outcomes (
  id      INTEGER PRIMARY KEY,
  fan_out INTEGER NOT NULL,
  first   INTEGER NOT NULL,
  body    BLOB    NOT NULL
) STRICT;

CREATE INDEX outcomes_first ON outcomes (fan_out, first);
