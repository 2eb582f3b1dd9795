-- Whom to tell that a run has ended. A notice belongs to the run's newest execution.

CREATE TABLE notices (
  id        INTEGER PRIMARY KEY,
  execution INTEGER NOT NULL,
  url       BLOB    NOT NULL,
  status    TEXT    NOT NULL,         -- WAITING, DUE, SENT, UNSENT
  due       REAL,                     -- when it is sent next; NULL unless DUE
  attempt   INTEGER NOT NULL DEFAULT 0,
  changed   REAL    NOT NULL,
  error     TEXT    NOT NULL DEFAULT ''
) STRICT;

CREATE INDEX notices_due ON notices (due) WHERE due IS NOT NULL;
CREATE INDEX notices_execution ON notices (execution);
