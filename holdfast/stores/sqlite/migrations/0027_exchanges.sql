-- What the last attempt at a step that came to nothing asked of outside systems, and was answered.

CREATE TABLE exchanges (
  execution INTEGER NOT NULL,
  step      TEXT    NOT NULL,
  body      BLOB    NOT NULL,         -- see holdfast/history/exchanges.py
  PRIMARY KEY (execution, step)
) STRICT;
