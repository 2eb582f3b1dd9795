-- name: enqueue_task
-- A step that is queued already is queued anew: the same work at its next attempt.
INSERT INTO task_queue (
  execution, step, task, pool, priority, input, options, failures, attempt, queued_at, visible_at, state,
  owner, own, token, progress, traceparent
)
SELECT
  execution, step, task, pool, priority, input, options, failures, attempt, queued_at, visible_at, state,
  owner, (owner IS NOT NULL)::int, token, progress, traceparent
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bytea[], $7::bytea[], $8::bytea[],
  $9::bigint[], $10::double precision[], $11::double precision[], $12::smallint[], $13::bigint[], $14::bigint[],
  $15::bytea[], $16::text[])
  WITH ORDINALITY AS given (execution, step, task, pool, priority, input, options, failures, attempt, queued_at,
    visible_at, state, owner, token, progress, traceparent, place)
ORDER BY place
ON CONFLICT (execution, step) DO UPDATE SET
  task = excluded.task, pool = excluded.pool, priority = excluded.priority, input = excluded.input,
  options = excluded.options, failures = excluded.failures, attempt = excluded.attempt,
  visible_at = excluded.visible_at, state = excluded.state,
  owner = excluded.owner, own = excluded.own, token = excluded.token,
  progress = CASE WHEN excluded.progress = '' THEN task_queue.progress ELSE excluded.progress END

-- name: unqueue_task
DELETE FROM task_queue USING unnest($1::bigint[], $2::text[]) AS given (execution, step)
WHERE task_queue.execution = given.execution AND task_queue.step = given.step

-- name: drop_tasks
DELETE FROM task_queue WHERE execution = ANY (SELECT unnest($1::bigint[]))

-- name: promote_tasks
-- Those with limits go their own way: see due_limited_tasks.
UPDATE task_queue SET state = 1 WHERE id = ANY (ARRAY(
  SELECT id FROM task_queue WHERE state = 0 AND visible_at <= $1 AND limits = '' ORDER BY visible_at LIMIT $2
  FOR UPDATE SKIP LOCKED
))

-- name: claim_tasks
-- The token is drawn when the row is locked, so a later claim of it has the higher one.
UPDATE task_queue SET state = 2, owner = $1, own = 0, token = greatest($2, nextval('tokens'))
FROM executions
WHERE task_queue.id = ANY (ARRAY(
  SELECT id FROM task_queue
  WHERE pool = $3 AND state = 1 AND task = ANY (ARRAY(SELECT json_array_elements_text($4::json)))
  ORDER BY priority DESC, id
  LIMIT $5
  FOR UPDATE SKIP LOCKED
)) AND executions.id = task_queue.execution
RETURNING
  priority, task_queue.id, execution, run_id, number, step, task, input, pool, options, attempt, queued_at,
  failures, progress, token, task_queue.recoveries, traceparent, limits

-- name: finish_task
DELETE FROM task_queue WHERE id = $1 AND token = $2 AND owner = $3
RETURNING execution, step, place,
  EXISTS (SELECT 1 FROM pools WHERE name = task_queue.pool AND slots IS NOT NULL)::int

-- name: finish_own_task
DELETE FROM task_queue WHERE execution = $1 AND step = $2 AND attempt = $3 AND owner = $4 AND own = 1 RETURNING id

-- name: retry_task
UPDATE task_queue
SET owner = NULL, own = 0, attempt = attempt + $7::smallint, failures = $4, visible_at = $5,
  state = CASE WHEN limits = '' THEN $6::smallint ELSE 0 END, held = 0
WHERE id = $1 AND token = $2 AND owner = $3
RETURNING execution, place

-- name: retry_own_task
UPDATE task_queue
SET owner = NULL, own = 0, attempt = attempt + 1, failures = $5, visible_at = $6, state = $7, progress = $8
WHERE execution = $1 AND step = $2 AND attempt = $3 AND owner = $4 AND own = 1
RETURNING execution, place

-- name: set_aside_tasks
UPDATE task_queue SET state = 3, line = '', held = 0 WHERE execution = $1 AND state IN (0, 1, 4, 5, 6)

-- name: resume_tasks
UPDATE task_queue SET state = (visible_at <= $2 AND limits = '')::int WHERE execution = $1 AND state = 3

-- name: release_tasks
UPDATE task_queue SET owner = NULL, own = 0,
  held = CASE (SELECT status FROM executions WHERE id = task_queue.execution) WHEN 'PAUSED' THEN 0 ELSE held END,
  state = CASE (SELECT status FROM executions WHERE id = task_queue.execution)
    WHEN 'PAUSED' THEN 3 ELSE (limits = '')::int END
WHERE id = ANY (ARRAY(SELECT json_array_elements_text($1::json)::bigint)) AND owner = $2
RETURNING state, place

-- name: held_tasks
SELECT id, token FROM task_queue
WHERE id = ANY (ARRAY(SELECT json_array_elements_text($1::json)::bigint)) AND owner = $2

-- name: record_progress
UPDATE task_queue SET progress = given.progress FROM unnest($1::bigint[], $2::bytea[]) AS given (id, progress)
WHERE task_queue.id = given.id

-- name: lost_tasks
SELECT id, attempt, visible_at, failures, (SELECT name FROM members WHERE member = $1) FROM task_queue WHERE owner = $1

-- name: note_lost_attempt
UPDATE task_queue SET failures = given.failures FROM unnest($1::bigint[], $2::bytea[]) AS given (id, failures)
WHERE task_queue.id = given.id

-- name: free_tasks
UPDATE task_queue SET owner = NULL, own = 0, recoveries = recoveries + $2,
  held = CASE (SELECT status FROM executions WHERE id = task_queue.execution) WHEN 'PAUSED' THEN 0 ELSE held END,
  state = CASE (SELECT status FROM executions WHERE id = task_queue.execution)
    WHEN 'PAUSED' THEN 3 ELSE (limits = '')::int END
WHERE owner = $1
RETURNING state, place

-- name: remove_poisonous_tasks
DELETE FROM task_queue WHERE owner = $1 AND recoveries >= $2 RETURNING execution, step, task, recoveries, place

-- name: read_queue
SELECT
  task_queue.id, task_queue.execution, step, task, pool, attempt, visible_at, coalesce(members.name, ''), progress,
  failures, line
FROM task_queue LEFT JOIN members ON members.member = task_queue.owner
WHERE task_queue.execution = $1
ORDER BY task_queue.id

-- name: read_backlogs
SELECT pool, sum(waiting)::bigint, min(oldest) FROM (
  SELECT pool, count(*), min(visible_at) FROM task_queue WHERE state = 1 GROUP BY pool
  UNION ALL
  SELECT pool, count(*), min(visible_at) FROM task_queue WHERE line <> '' AND state = 5 GROUP BY pool
  UNION ALL
  SELECT pool, 1, visible_at FROM task_queue WHERE state = 0 AND visible_at <= $1
  UNION ALL
  SELECT pool, count(*), min(visible_at) FROM chunks WHERE state = 1 GROUP BY pool
  UNION ALL
  SELECT pool, 1, visible_at FROM chunks WHERE state = 0 AND visible_at <= $1
) AS backlogs (pool, waiting, oldest) GROUP BY pool

-- name: read_in_flight
SELECT pool, sum(claimed)::bigint FROM (
  SELECT pool, count(*) FROM task_queue WHERE owner IS NOT NULL GROUP BY pool
  UNION ALL
  SELECT pool, count(*) FROM chunks WHERE owner IS NOT NULL GROUP BY pool
) AS in_flight (pool, claimed) GROUP BY pool

-- name: read_slots
SELECT served ->> 0, sum((served ->> 1)::bigint)::bigint
FROM members, json_array_elements(members.pools::json) AS served
WHERE members.lives = 1 AND members.expires_at > $1
GROUP BY 1
