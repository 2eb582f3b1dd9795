-- Which code may have a run, and how long a run may take.

ALTER TABLE executions ADD COLUMN pin TEXT NOT NULL DEFAULT '';     -- the only code version that may claim it; '' is any
ALTER TABLE executions ADD COLUMN misfit TEXT NOT NULL DEFAULT '';  -- the code version it was parked by, as diverged

-- Executions that time out, until they have closed or were timed out.
CREATE TABLE deadlines (
  execution INTEGER PRIMARY KEY,
  due REAL NOT NULL
) STRICT;
CREATE INDEX deadlines_due ON deadlines (due);
