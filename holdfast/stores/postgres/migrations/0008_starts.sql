-- Runs that are not to begin before a time.

ALTER TABLE executions ADD COLUMN starts_at double precision NOT NULL DEFAULT 0;  -- until it has come; then 0
