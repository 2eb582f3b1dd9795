-- What steps say while they are at it, outside of histories.

CREATE TABLE streams (
  execution TEXT NOT NULL,          -- as it is called: `ord-1`, `ord-1@2`
  name TEXT NOT NULL,               -- the step that says it, and which of its streams
  run_id TEXT NOT NULL,
  epoch INTEGER NOT NULL,           -- rises with each attempt that begins to say it
  characters INTEGER NOT NULL,      -- how much was said
  ended TEXT NOT NULL,              -- how it ended; empty while more may come
  opened_at REAL NOT NULL,
  PRIMARY KEY (execution, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX streams_run ON streams (run_id);

-- Of the newest epoch alone.
CREATE TABLE stream_pieces (
  execution TEXT NOT NULL,
  name TEXT NOT NULL,
  start INTEGER NOT NULL,           -- how many characters come before it
  characters INTEGER NOT NULL,
  body BLOB NOT NULL,               -- text in UTF-8
  PRIMARY KEY (execution, name, start)
) STRICT, WITHOUT ROWID;
