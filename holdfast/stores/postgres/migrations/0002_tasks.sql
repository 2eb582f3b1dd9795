-- Queued tasks and fan-outs: work that members claim.
--
-- `state` of a row: 0 delayed, 1 ready, 2 claimed (it has an owner), 3 set aside with its parked run. Ready rows are
-- indexed in the order in which claims take them, delayed ones by time. A claim first moves what has become due from
-- the second to the first, so that neither a long backlog nor many delayed retries are ever walked over.

CREATE TABLE task_queue (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  execution bigint NOT NULL,
  step text COLLATE "C" NOT NULL,
  task text COLLATE "C" NOT NULL,
  pool text COLLATE "C" NOT NULL,
  priority bigint NOT NULL,
  input bytea NOT NULL,
  options bytea NOT NULL,
  failures bytea NOT NULL,
  progress bytea NOT NULL DEFAULT '',
  attempt bigint NOT NULL,
  recoveries bigint NOT NULL DEFAULT 0,
  queued_at double precision NOT NULL,
  visible_at double precision NOT NULL,
  state smallint NOT NULL,
  owner bigint,
  own smallint NOT NULL DEFAULT 0,
  token bigint NOT NULL DEFAULT 0,
  traceparent text NOT NULL DEFAULT '' -- where in which trace its run was started (W3C Trace Context)
) WITH (autovacuum_vacuum_scale_factor = 0.02);
CREATE UNIQUE INDEX task_queue_step ON task_queue (execution, step);
CREATE INDEX task_queue_ready ON task_queue (pool, priority DESC, id) WHERE state = 1;
CREATE INDEX task_queue_delayed ON task_queue (visible_at) WHERE state = 0;
CREATE INDEX task_queue_owned ON task_queue (owner, pool) WHERE owner IS NOT NULL;

-- `done` and `failed` are what a count over the outcomes would give; they are kept so that no write has to count.
CREATE TABLE fan_outs (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  execution bigint NOT NULL,
  step text COLLATE "C" NOT NULL,
  task text NOT NULL,
  options bytea NOT NULL,
  failures_max bigint NOT NULL,
  count bigint NOT NULL,
  done bigint NOT NULL DEFAULT 0,
  failed bigint NOT NULL DEFAULT 0,
  closed smallint NOT NULL DEFAULT 0,
  traceparent text NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX fan_outs_step ON fan_outs (execution, step);

-- The inputs, in slices of consecutive items, written once. A slice is known by the index of its first item.
CREATE TABLE slices (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  fan_out bigint NOT NULL,
  first bigint NOT NULL,
  items bytea NOT NULL
);
CREATE UNIQUE INDEX slices_first ON slices (fan_out, first);

-- Items to be run together: all of one slice, or those of it that are tried again. Bit i of `pending` (little endian)
-- stands for the item with index `first` + i. Small and often written, so apart from the inputs.
CREATE TABLE chunks (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  fan_out bigint NOT NULL,
  first bigint NOT NULL,
  pending bytea NOT NULL,
  task text COLLATE "C" NOT NULL,
  pool text COLLATE "C" NOT NULL,
  priority bigint NOT NULL,
  attempt bigint NOT NULL,
  recoveries bigint NOT NULL DEFAULT 0,
  queued_at double precision NOT NULL,
  visible_at double precision NOT NULL,
  state smallint NOT NULL,
  owner bigint,
  token bigint NOT NULL DEFAULT 0
) WITH (autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX chunks_fan_out ON chunks (fan_out);
CREATE INDEX chunks_ready ON chunks (pool, priority DESC, id) WHERE state = 1;
CREATE INDEX chunks_delayed ON chunks (visible_at) WHERE state = 0;
CREATE INDEX chunks_owned ON chunks (owner, pool) WHERE owner IS NOT NULL;

-- Outcomes as they came in, a few to a row; `first` is the slice they belong to.
CREATE TABLE outcomes (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  fan_out bigint NOT NULL,
  first bigint NOT NULL,
  body bytea NOT NULL
);
CREATE INDEX outcomes_first ON outcomes (fan_out, first, id);
