-- What steps say while they are at it, outside of histories.

CREATE TABLE streams (
  execution text COLLATE "C" NOT NULL,  -- as it is called: `ord-1`, `ord-1@2`
  name text COLLATE "C" NOT NULL,       -- the step that says it, and which of its streams
  run_id text COLLATE "C" NOT NULL,
  epoch bigint NOT NULL,                -- rises with each attempt that begins to say it
  characters bigint NOT NULL,           -- how much was said
  ended text NOT NULL,                  -- how it ended; empty while more may come
  opened_at double precision NOT NULL,
  PRIMARY KEY (execution, name)
);
CREATE INDEX streams_run ON streams (run_id);

-- Of the newest epoch alone.
CREATE TABLE stream_pieces (
  execution text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  start bigint NOT NULL,                -- how many characters come before it
  characters bigint NOT NULL,
  body bytea NOT NULL,                  -- text in UTF-8
  PRIMARY KEY (execution, name, start)
);
