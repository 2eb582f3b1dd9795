-- Locks, the ledger, requests and API keys.

-- One row for each place in a lock's line, whoever holds a slot included. `id` is the order of arrival; a place with a
-- token holds. A workflow's place has an execution and a step and no expiry; anybody else's has a name and an expiry.
CREATE TABLE lock_places (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  name       TEXT    NOT NULL,
  slots      INTEGER NOT NULL,
  execution  INTEGER,
  holder     TEXT    NOT NULL,
  token      INTEGER,
  since      REAL    NOT NULL,
  expires_at REAL
) STRICT;

CREATE INDEX lock_places_held ON lock_places (name, token) WHERE token IS NOT NULL;
CREATE INDEX lock_places_waiting ON lock_places (name, id) WHERE token IS NULL;
CREATE UNIQUE INDEX lock_places_step ON lock_places (execution, holder) WHERE execution IS NOT NULL;
CREATE UNIQUE INDEX lock_places_lease ON lock_places (name, holder) WHERE execution IS NULL;
CREATE INDEX lock_places_expiry ON lock_places (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX lock_places_name_expiry ON lock_places (name, expires_at) WHERE expires_at IS NOT NULL;

-- A row is leased (`expires_at`), done (`done_at`), or free again after its lease expired.
CREATE TABLE ledger (
  id         INTEGER PRIMARY KEY,
  name       TEXT    NOT NULL UNIQUE,
  holder     TEXT    NOT NULL,
  token      INTEGER NOT NULL,
  expires_at REAL,
  result     BLOB    NOT NULL DEFAULT x'',
  done_at    REAL
) STRICT;

CREATE TABLE requests (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  run_id       TEXT    NOT NULL,
  execution    INTEGER NOT NULL,
  kind         TEXT    NOT NULL,
  name         TEXT    NOT NULL,
  body         BLOB    NOT NULL,
  operation_id TEXT    NOT NULL,
  expires_at   REAL    NOT NULL,
  owner        INTEGER,
  answer       BLOB
) STRICT;

CREATE UNIQUE INDEX requests_operation ON requests (execution, operation_id) WHERE operation_id <> '';
CREATE INDEX requests_expiry ON requests (expires_at);
CREATE INDEX requests_open ON requests (expires_at) WHERE answer IS NULL;

CREATE TABLE api_keys (
  id         INTEGER PRIMARY KEY,
  name       TEXT    NOT NULL UNIQUE,
  key_hash   BLOB    NOT NULL UNIQUE,
  scopes     TEXT    NOT NULL,
  created_at REAL    NOT NULL,
  expires_at REAL,
  revoked_at REAL
) STRICT;
