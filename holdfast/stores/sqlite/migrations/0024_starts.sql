-- Runs that are not to begin before a time.

ALTER TABLE executions ADD COLUMN starts_at REAL NOT NULL DEFAULT 0;  -- when it may begin, until it has come; then 0
