-- What the Controller keeps: keys, what people did, whom to tell, webhooks, schedules.

CREATE TABLE api_keys (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text COLLATE "C" NOT NULL UNIQUE,
  key_hash bytea NOT NULL UNIQUE,
  scopes text NOT NULL,             -- JSON array of names
  created_at double precision NOT NULL,
  expires_at double precision,
  revoked_at double precision,
  workflows text NOT NULL DEFAULT '[]', -- JSON array of names; empty is all
  rate_limit text NOT NULL DEFAULT '',
  last_used_at double precision,
  old_hash bytea,                   -- of the secret before this one
  old_until double precision
);

-- What only processes of this store may know, such as the key that callbacks are signed with.
CREATE TABLE secrets (
  name text COLLATE "C" PRIMARY KEY,
  value bytea NOT NULL
);

CREATE TABLE audit (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at double precision NOT NULL,
  actor text COLLATE "C" NOT NULL,
  action text COLLATE "C" NOT NULL,
  target text COLLATE "C" NOT NULL,
  detail text NOT NULL
);
CREATE INDEX audit_by_target ON audit (target, id);

-- Whom to tell that a run has ended. A notice belongs to the run's newest execution.
CREATE TABLE notices (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  execution bigint NOT NULL,
  url bytea NOT NULL,
  status text COLLATE "C" NOT NULL, -- WAITING, DUE, SENT, UNSENT
  due double precision,             -- when it is sent next; NULL unless DUE
  attempt bigint NOT NULL DEFAULT 0,
  changed double precision NOT NULL,
  error text NOT NULL DEFAULT ''
);
CREATE INDEX notices_due ON notices (due) WHERE due IS NOT NULL;
CREATE INDEX notices_execution ON notices (execution);

-- What webhooks were sent, and what came of it.
CREATE TABLE deliveries (
  id bigint PRIMARY KEY,            -- from the counter
  webhook text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,    -- of one that is refused: what it said it was, or nothing
  digest bytea NOT NULL,
  state text COLLATE "C" NOT NULL,
  reason text NOT NULL,
  event text NOT NULL,
  received_at double precision NOT NULL,
  decided_at double precision NOT NULL,
  attempts bigint NOT NULL DEFAULT 1,
  run_id text COLLATE "C" NOT NULL DEFAULT '',
  body_bytes bigint NOT NULL,
  headers bytea NOT NULL,
  body bytea NOT NULL
);
CREATE UNIQUE INDEX deliveries_key ON deliveries (webhook, key) WHERE state <> 'refused';
CREATE INDEX deliveries_digest ON deliveries (webhook, digest) WHERE state <> 'refused';
CREATE INDEX deliveries_refused ON deliveries (id) WHERE state = 'refused';
CREATE INDEX deliveries_failed ON deliveries (id) WHERE state = 'failed';

-- Requests that are carried out once: what was asked for under which key, and what came of it.
CREATE TABLE idempotency (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  caller text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  fingerprint bytea NOT NULL,
  run_id text NOT NULL,
  noted_at double precision NOT NULL,
  claimed_until double precision NOT NULL, -- 0 once it was done
  execution text NOT NULL DEFAULT '',
  created smallint NOT NULL DEFAULT 0,
  answer bytea NOT NULL DEFAULT '',
  UNIQUE (caller, key)
);

-- What is started by itself, and what came of it.
CREATE TABLE schedules (
  name text COLLATE "C" PRIMARY KEY,
  revision bigint NOT NULL,         -- from the counter: a change is made to the newest one or not at all
  source text NOT NULL,             -- code, config or api
  spec bytea NOT NULL,
  input bytea NOT NULL,
  state bytea NOT NULL,
  next_at double precision,         -- when it has to be looked at next
  created_at double precision NOT NULL,
  changed_at double precision NOT NULL
);
CREATE INDEX schedules_due ON schedules (next_at) WHERE next_at IS NOT NULL;

CREATE TABLE schedule_fires (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  schedule text COLLATE "C" NOT NULL,
  kind text NOT NULL,               -- due, backfill or now
  outcome text NOT NULL,            -- started, found, skipped, missed or refused
  due bigint NOT NULL,              -- the first of several in a row
  until bigint NOT NULL,            -- the last of them
  count bigint NOT NULL,
  run_id text COLLATE "C" NOT NULL,
  words text NOT NULL,
  noted_at double precision NOT NULL,
  is_open smallint NOT NULL         -- 1: the end of its run has not been taken into account
);
CREATE INDEX schedule_fires_of ON schedule_fires (schedule, id);
CREATE INDEX schedule_fires_open ON schedule_fires (schedule, run_id) WHERE is_open = 1;
