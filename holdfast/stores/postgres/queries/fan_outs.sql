-- name: start_fan_out
INSERT INTO fan_outs (execution, step, task, options, failures_max, count, traceparent)
VALUES ($1, $2, $3, $4, $5, $6, $7)
RETURNING id

-- name: copy_fan_out
INSERT INTO fan_outs (execution, step, task, options, failures_max, count, done, failed, closed)
SELECT $1, step, task, options, failures_max, count, done, failed, closed FROM fan_outs WHERE id = $2 AND closed = 1
RETURNING id

-- name: copy_outcomes
INSERT INTO outcomes (fan_out, first, body) SELECT $1, first, body FROM outcomes WHERE fan_out = $2 ORDER BY first, id

-- name: open_fan_out
SELECT id FROM fan_outs WHERE execution = $1 AND step = $2 AND closed = 0

-- name: open_fan_outs
SELECT id FROM fan_outs WHERE execution = $1 AND closed = 0

-- name: count_outcomes
UPDATE fan_outs SET done = done + $2, failed = failed + $3 WHERE id = $1
RETURNING execution, step, count, done, failed, failures_max

-- name: close_fan_out
UPDATE fan_outs SET closed = 1 WHERE id = $1

-- name: read_fan_outs
SELECT id, execution, step, task, count, done, failed, closed FROM fan_outs WHERE execution = $1 ORDER BY id
