-- Pauses: runs that a person keeps from moving.

ALTER TABLE executions ADD COLUMN paused_by TEXT NOT NULL DEFAULT '';
ALTER TABLE executions ADD COLUMN paused_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE executions ADD COLUMN paused_at REAL;

-- Executions that were taken from a living member, which does not know it yet.
CREATE TABLE taken (
  member INTEGER NOT NULL,
  execution INTEGER NOT NULL,
  PRIMARY KEY (member, execution)
) STRICT, WITHOUT ROWID;
