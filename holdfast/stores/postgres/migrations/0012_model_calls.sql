-- What requests to language models used and cost, and the budgets they are paid from. Money is in nano-dollars.

CREATE TABLE model_calls (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  call text COLLATE "C" NOT NULL UNIQUE,
  run_id text COLLATE "C" NOT NULL,
  workflow text COLLATE "C" NOT NULL,
  step text COLLATE "C" NOT NULL,
  attempt bigint NOT NULL,
  model text COLLATE "C" NOT NULL,
  prefix text COLLATE "C" NOT NULL,             -- digest; empty for none
  prefix_name text COLLATE "C" NOT NULL,
  asked_at double precision NOT NULL,
  lapses_at double precision,                   -- NULL once it is settled or lost
  lost smallint NOT NULL,           -- 1: nobody said what became of it
  budgets text COLLATE "C" NOT NULL,            -- JSON: [[name, per, scope], ...]
  counted_usd bigint NOT NULL,     -- set aside in each of them; once it ended, spent
  counted_tokens bigint NOT NULL,
  input_tokens bigint,             -- NULL here and below: not known
  cache_read_tokens bigint,
  cache_write_tokens bigint,
  output_tokens bigint,
  paid bigint,
  uncached bigint
);
CREATE INDEX model_calls_run ON model_calls (run_id);
CREATE INDEX model_calls_under_way ON model_calls (lapses_at) WHERE lapses_at IS NOT NULL;

-- Sums that outlive the runs.
CREATE TABLE model_days (
  day text COLLATE "C" NOT NULL,
  workflow text COLLATE "C" NOT NULL,
  model text COLLATE "C" NOT NULL,
  prefix text COLLATE "C" NOT NULL,
  prefix_name text COLLATE "C" NOT NULL,
  requests bigint NOT NULL,
  lost bigint NOT NULL,
  unpriced bigint NOT NULL,
  input_tokens bigint,
  cache_read_tokens bigint,
  cache_write_tokens bigint,
  output_tokens bigint,
  paid bigint,
  uncached bigint,
  PRIMARY KEY (day, workflow, model, prefix)
);

CREATE TABLE budgets (
  name text COLLATE "C" NOT NULL,
  per text COLLATE "C" NOT NULL,
  scope text COLLATE "C" NOT NULL,              -- a run, a workflow, or a day
  limit_usd bigint NOT NULL,       -- as the newest request said; 0: none
  limit_tokens bigint NOT NULL,
  spent_usd bigint NOT NULL,
  spent_tokens bigint NOT NULL,
  held_usd bigint NOT NULL,        -- set aside for requests that are under way
  held_tokens bigint NOT NULL,
  granted_usd bigint NOT NULL,     -- beyond the limit
  granted_tokens bigint NOT NULL,
  PRIMARY KEY (per, scope, name)
);
