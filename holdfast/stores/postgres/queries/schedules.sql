-- Schedules: what they are, how far they are, what came of their due times.

-- name: schedule_standing
SELECT revision, next_at FROM schedules WHERE name = $1

-- name: create_schedule
INSERT INTO schedules (name, revision, source, spec, input, state, next_at, created_at, changed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)

-- name: change_schedule
UPDATE schedules SET revision = $2, source = $3, spec = $4, input = $5, state = $6, next_at = $7, changed_at = $8
WHERE name = $1

-- name: move_schedule
UPDATE schedules SET revision = $2, state = $3, next_at = $4 WHERE name = $1

-- name: drop_schedule
DELETE FROM schedules WHERE name = $1

-- name: drop_fires
DELETE FROM schedule_fires WHERE schedule = $1

-- name: note_fire
INSERT INTO schedule_fires (schedule, kind, outcome, due, until, count, run_id, words, noted_at, is_open)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)

-- name: settle_fire
UPDATE schedule_fires SET is_open = 0 FROM unnest($1::text[], $2::text[]) AS given (schedule, run_id)
WHERE schedule_fires.schedule = given.schedule AND schedule_fires.run_id = given.run_id AND is_open = 1

-- name: prune_fires
DELETE FROM schedule_fires WHERE schedule = $1 AND is_open = 0 AND id <= coalesce((
  SELECT id FROM schedule_fires WHERE schedule = $1 ORDER BY id DESC LIMIT 1 OFFSET $2
), 0)

-- name: read_schedules
SELECT name, revision, source, spec, input, state, next_at, created_at, changed_at FROM schedules ORDER BY name

-- name: read_schedule
SELECT name, revision, source, spec, input, state, next_at, created_at, changed_at FROM schedules WHERE name = $1

-- name: due_schedules
SELECT name, revision, source, spec, input, state, next_at, created_at, changed_at FROM schedules WHERE name IN (
  (SELECT name FROM schedules WHERE next_at <= $1 ORDER BY next_at LIMIT $2)
  UNION
  SELECT fire.schedule FROM schedule_fires AS fire
  JOIN executions AS run ON run.run_id = fire.run_id AND run.newest = 1
  WHERE fire.is_open = 1 AND run.status NOT IN ('RUNNING', 'PARKED', 'PAUSED')
)
LIMIT $2

-- name: next_schedule
SELECT min(next_at) FROM schedules WHERE next_at IS NOT NULL

-- name: open_fires_exist
SELECT EXISTS (SELECT FROM schedule_fires WHERE is_open = 1)

-- name: open_fires
SELECT fire.run_id, run.status FROM schedule_fires AS fire
JOIN executions AS run ON run.run_id = fire.run_id AND run.newest = 1
WHERE fire.schedule = $1 AND fire.is_open = 1 ORDER BY fire.id

-- name: read_fires
SELECT kind, outcome, due, until, count, run_id, words, noted_at FROM schedule_fires
WHERE schedule = $1 ORDER BY id DESC LIMIT $2
