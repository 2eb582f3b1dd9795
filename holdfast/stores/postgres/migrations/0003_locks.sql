-- Locks, the ledger, requests.

-- One row for each place in a lock's line, whoever holds a slot included. `id` is the order of arrival; a place with a
-- token holds. A workflow's place has an execution and a step and no expiry; anybody else's has a name and an expiry.
CREATE TABLE lock_places (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text COLLATE "C" NOT NULL,
  slots bigint NOT NULL,
  execution bigint,
  holder text COLLATE "C" NOT NULL,
  token bigint,
  since double precision NOT NULL,
  expires_at double precision
) WITH (autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX lock_places_held ON lock_places (name, token) WHERE token IS NOT NULL;
CREATE INDEX lock_places_waiting ON lock_places (name, id) WHERE token IS NULL;
CREATE UNIQUE INDEX lock_places_step ON lock_places (execution, holder) WHERE execution IS NOT NULL;
CREATE UNIQUE INDEX lock_places_lease ON lock_places (name, holder) WHERE execution IS NULL;
CREATE INDEX lock_places_expiry ON lock_places (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX lock_places_name_expiry ON lock_places (name, expires_at) WHERE expires_at IS NOT NULL;

-- A row is leased (`expires_at`), done (`done_at`), or free again after its lease expired.
CREATE TABLE ledger (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text COLLATE "C" NOT NULL UNIQUE,
  holder text NOT NULL,
  token bigint NOT NULL,
  expires_at double precision,
  result bytea NOT NULL DEFAULT '',
  done_at double precision
);

CREATE TABLE requests (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run_id text COLLATE "C" NOT NULL,
  execution bigint NOT NULL,
  kind text COLLATE "C" NOT NULL,
  name text NOT NULL,
  body bytea NOT NULL,
  operation_id text COLLATE "C" NOT NULL,
  expires_at double precision NOT NULL,
  owner bigint,
  answer bytea
) WITH (autovacuum_vacuum_scale_factor = 0.02);
CREATE UNIQUE INDEX requests_operation ON requests (execution, operation_id) WHERE operation_id <> '';
CREATE INDEX requests_expiry ON requests (expires_at);
CREATE INDEX requests_open ON requests (id) WHERE answer IS NULL;
