-- Runs that went wrong, until a capture was made of them.

ALTER TABLE executions ADD COLUMN captured TEXT NOT NULL DEFAULT '';  -- the status for which that was seen to

-- Holds only what still waits: looking for it costs nothing while nothing goes wrong.
CREATE INDEX executions_uncaptured ON executions (id)
  WHERE status IN ('FAILED', 'TIMED_OUT', 'PARKED') AND captured <> status;
