-- What requests to language models used and cost, and the budgets they are paid from. Money is in nano-dollars.

CREATE TABLE model_calls (
  id INTEGER PRIMARY KEY,
  call TEXT NOT NULL UNIQUE,
  run_id TEXT NOT NULL,
  workflow TEXT NOT NULL,
  step TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  model TEXT NOT NULL,
  prefix TEXT NOT NULL,             -- digest; empty for none
  prefix_name TEXT NOT NULL,
  asked_at REAL NOT NULL,
  lapses_at REAL,                   -- NULL once it is settled or lost
  lost INTEGER NOT NULL,            -- 1: nobody said what became of it
  budgets TEXT NOT NULL,            -- JSON: [[name, per, scope], ...]
  counted_usd INTEGER NOT NULL,     -- set aside in each of them; once it ended, spent
  counted_tokens INTEGER NOT NULL,
  input_tokens INTEGER,             -- NULL here and below: not known
  cache_read_tokens INTEGER,
  cache_write_tokens INTEGER,
  output_tokens INTEGER,
  paid INTEGER,
  uncached INTEGER
) STRICT;
CREATE INDEX model_calls_run ON model_calls (run_id);
CREATE INDEX model_calls_under_way ON model_calls (lapses_at) WHERE lapses_at IS NOT NULL;

-- Sums that outlive the runs.
CREATE TABLE model_days (
  day TEXT NOT NULL,
  workflow TEXT NOT NULL,
  model TEXT NOT NULL,
  prefix TEXT NOT NULL,
  prefix_name TEXT NOT NULL,
  requests INTEGER NOT NULL,
  lost INTEGER NOT NULL,
  unpriced INTEGER NOT NULL,
  input_tokens INTEGER,
  cache_read_tokens INTEGER,
  cache_write_tokens INTEGER,
  output_tokens INTEGER,
  paid INTEGER,
  uncached INTEGER,
  PRIMARY KEY (day, workflow, model, prefix)
) STRICT, WITHOUT ROWID;

CREATE TABLE budgets (
  name TEXT NOT NULL,
  per TEXT NOT NULL,
  scope TEXT NOT NULL,              -- a run, a workflow, or a day
  limit_usd INTEGER NOT NULL,       -- as the newest request said; 0: none
  limit_tokens INTEGER NOT NULL,
  spent_usd INTEGER NOT NULL,
  spent_tokens INTEGER NOT NULL,
  held_usd INTEGER NOT NULL,        -- set aside for requests that are under way
  held_tokens INTEGER NOT NULL,
  granted_usd INTEGER NOT NULL,     -- beyond the limit
  granted_tokens INTEGER NOT NULL,
  PRIMARY KEY (per, scope, name)
) STRICT, WITHOUT ROWID;
