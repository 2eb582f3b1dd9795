-- Events that wait for one another, and become one run.

CREATE TABLE gatherings (
  id bigint PRIMARY KEY,            -- from the counter
  workflow text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  run_id text COLLATE "C" NOT NULL, -- of the run that is to begin
  state text COLLATE "C" NOT NULL DEFAULT 'open', -- open, full, begun or refused
  size bigint NOT NULL,             -- how many events are enough; 0 where only the last one counts
  events bigint NOT NULL DEFAULT 0,
  bytes bigint NOT NULL DEFAULT 0,
  opened_at double precision NOT NULL,
  latest double precision NOT NULL, -- it is due then, whatever comes
  due_at double precision NOT NULL,
  begun_at double precision,        -- when its run was begun or refused
  reason text NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX gatherings_open ON gatherings (workflow, key) WHERE state = 'open';
CREATE INDEX gatherings_due ON gatherings (due_at) WHERE state IN ('open', 'full');
CREATE INDEX gatherings_begun ON gatherings (begun_at) WHERE state = 'begun';

CREATE TABLE gathered (
  gathering bigint NOT NULL,
  number bigint NOT NULL,
  workflow text COLLATE "C" NOT NULL,
  event_id text COLLATE "C" NOT NULL,
  event bytea NOT NULL,             -- empty once it is in a run, or a later one counts
  PRIMARY KEY (gathering, number)
);
CREATE UNIQUE INDEX gathered_event ON gathered (workflow, event_id) WHERE event_id <> '';
