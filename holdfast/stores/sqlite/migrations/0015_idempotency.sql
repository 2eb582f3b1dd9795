-- Requests that are carried out once: what was asked for under which key, and what came of it.

CREATE TABLE idempotency (
  id            INTEGER PRIMARY KEY,
  caller        TEXT    NOT NULL,
  key           TEXT    NOT NULL,
  fingerprint   BLOB    NOT NULL,
  run_id        TEXT    NOT NULL,
  noted_at      REAL    NOT NULL,
  claimed_until REAL    NOT NULL,           -- 0 once it was done
  execution     TEXT    NOT NULL DEFAULT '',
  created       INTEGER NOT NULL DEFAULT 0,
  answer        BLOB    NOT NULL DEFAULT x'',
  UNIQUE (caller, key)
) STRICT;
