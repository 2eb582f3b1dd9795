-- What answers of hosts, results of tasks and bodies of webhooks have been like: every version of what was learned.

CREATE TABLE contracts (
  host       TEXT NOT NULL,
  endpoint   TEXT NOT NULL,
  version    INTEGER NOT NULL,
  revision   INTEGER NOT NULL,           -- counts what was written of an endpoint, over all versions
  is_learned INTEGER NOT NULL,           -- 0: more answers are needed
  answers    INTEGER NOT NULL,           -- from how many it was learned
  body       BLOB NOT NULL,              -- JSON: the contract, and how it differs from the version before
  since      REAL NOT NULL,
  PRIMARY KEY (host, endpoint, version)
) STRICT, WITHOUT ROWID;

-- What hosts say will be gone.

CREATE TABLE retirements (
  host          TEXT NOT NULL,
  endpoint      TEXT NOT NULL,
  deprecated_at REAL,                    -- NULL: not said
  sunset_at     REAL,                    -- NULL: not said
  link          TEXT NOT NULL,           -- where to read more
  first_seen    REAL NOT NULL,
  first_run     TEXT NOT NULL,
  PRIMARY KEY (host, endpoint)
) STRICT, WITHOUT ROWID;
