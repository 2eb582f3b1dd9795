-- Limits and rates that have another figure than tasks say.

CREATE TABLE limit_rules (
  kind       TEXT NOT NULL,             -- concurrency or rate
  name       TEXT NOT NULL,
  amount     REAL NOT NULL,
  changed_by TEXT NOT NULL,
  changed_at REAL NOT NULL,
  PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;
