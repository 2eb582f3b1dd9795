-- name: pause_pool
INSERT INTO pools (name, paused, by, reason, changed_at) VALUES ($1, 1, $2, $3, $4)
ON CONFLICT (name) DO UPDATE SET
  paused = 1, by = excluded.by, reason = excluded.reason, changed_at = excluded.changed_at

-- name: resume_pool
UPDATE pools SET paused = 0, by = $2, reason = '', changed_at = $3 WHERE name = $1 AND paused = 1

-- name: limit_pool
INSERT INTO pools (name, slots, by, reason, changed_at) VALUES ($1, $2, $3, '', $4)
ON CONFLICT (name) DO UPDATE SET slots = excluded.slots, by = excluded.by, changed_at = excluded.changed_at

-- name: drop_free_pool
DELETE FROM pools WHERE name = $1 AND paused = 0 AND slots IS NULL

-- name: pool_rules
SELECT name, paused, slots FROM pools

-- name: pool_is_limited
SELECT 1 FROM pools WHERE name = $1 AND slots IS NOT NULL

-- name: count_pool_in_flight
SELECT (SELECT count(*) FROM task_queue WHERE pool = $1 AND owner IS NOT NULL)
  + (SELECT count(*) FROM chunks WHERE pool = $1 AND owner IS NOT NULL)

-- name: read_pool_rules
SELECT name, paused, slots, by, reason FROM pools ORDER BY name
