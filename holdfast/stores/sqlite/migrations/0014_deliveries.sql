-- What webhooks were sent, and what came of it.

CREATE TABLE deliveries (
  id          INTEGER PRIMARY KEY,
  webhook     TEXT    NOT NULL,
  key         TEXT    NOT NULL,         -- of one that is refused: what it said it was, or nothing
  digest      BLOB    NOT NULL,
  state       TEXT    NOT NULL,
  reason      TEXT    NOT NULL,
  event       TEXT    NOT NULL,
  received_at REAL    NOT NULL,
  decided_at  REAL    NOT NULL,
  attempts    INTEGER NOT NULL DEFAULT 1,
  run_id      TEXT    NOT NULL DEFAULT '',
  body_bytes  INTEGER NOT NULL,
  headers     BLOB    NOT NULL,
  body        BLOB    NOT NULL
) STRICT;

CREATE UNIQUE INDEX deliveries_key ON deliveries (webhook, key) WHERE state <> 'refused';
CREATE INDEX deliveries_digest ON deliveries (webhook, digest) WHERE state <> 'refused';
CREATE INDEX deliveries_refused ON deliveries (id) WHERE state = 'refused';
CREATE INDEX deliveries_failed ON deliveries (id) WHERE state = 'failed';
