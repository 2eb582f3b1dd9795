-- What answers of hosts, results of tasks and bodies of webhooks have been like: every version of what was learned.

CREATE TABLE contracts (
  host text COLLATE "C" NOT NULL,
  endpoint text COLLATE "C" NOT NULL,
  version bigint NOT NULL,
  revision bigint NOT NULL,             -- counts what was written of an endpoint, over all versions
  is_learned bigint NOT NULL,           -- 0: more answers are needed
  answers bigint NOT NULL,              -- from how many it was learned
  body bytea NOT NULL,                  -- JSON: the contract, and how it differs from the version before
  since double precision NOT NULL,
  PRIMARY KEY (host, endpoint, version)
);

-- What hosts say will be gone.

CREATE TABLE retirements (
  host text COLLATE "C" NOT NULL,
  endpoint text COLLATE "C" NOT NULL,
  deprecated_at double precision,       -- NULL: not said
  sunset_at double precision,           -- NULL: not said
  link text NOT NULL,                   -- where to read more
  first_seen double precision NOT NULL,
  first_run text NOT NULL,
  PRIMARY KEY (host, endpoint)
);
