-- What a run is found by, and what was noted about it. Both belong to the run's newest execution.

CREATE TABLE attributes (
  name      TEXT    NOT NULL,
  key       TEXT    NOT NULL,         -- what the value looks like
  execution INTEGER NOT NULL,
  value     TEXT    NOT NULL,         -- a literal, see holdfast/history/attributes.py
  PRIMARY KEY (name, key, execution)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX attributes_execution ON attributes (execution, name);

CREATE TABLE memos (
  execution INTEGER PRIMARY KEY,
  body      BLOB    NOT NULL
) STRICT;
