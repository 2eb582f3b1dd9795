-- Limits and rates that have another figure than tasks say.

CREATE TABLE limit_rules (
  kind text COLLATE "C" NOT NULL,       -- concurrency or rate
  name text COLLATE "C" NOT NULL,
  amount double precision NOT NULL,
  changed_by text NOT NULL,
  changed_at double precision NOT NULL,
  PRIMARY KEY (kind, name)
);
