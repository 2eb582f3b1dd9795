-- name: enqueue_task
-- A step that is queued already is queued anew: the same work at its next attempt.
INSERT INTO task_queue (
  execution, step, task, pool, priority, input, options, failures, attempt, queued_at, visible_at, state,
  owner, own, token, progress, traceparent
) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?13 IS NOT NULL, ?14, ?15, ?16)
ON CONFLICT (execution, step) DO UPDATE SET
  task = excluded.task, pool = excluded.pool, priority = excluded.priority, input = excluded.input,
  options = excluded.options, failures = excluded.failures, attempt = excluded.attempt,
  visible_at = excluded.visible_at, state = excluded.state,
  owner = excluded.owner, own = excluded.own, token = excluded.token,
  progress = iif(excluded.progress = x'', progress, excluded.progress);

-- name: unqueue_task
DELETE FROM task_queue WHERE execution = ?1 AND step = ?2;

-- name: drop_tasks
DELETE FROM task_queue WHERE execution = ?1;

-- name: promote_tasks
-- Those with limits go their own way: see due_limited_tasks.
UPDATE task_queue SET state = 1 WHERE id IN (
  SELECT id FROM task_queue WHERE state = 0 AND visible_at <= ?1 AND limits = x'' ORDER BY visible_at LIMIT ?2
);

-- name: claim_tasks
UPDATE task_queue SET state = 2, owner = ?1, own = 0, token = ?2 WHERE id IN (
  SELECT id FROM task_queue
  WHERE pool = ?3 AND state = 1 AND task IN (SELECT value FROM json_each(?4))
  ORDER BY priority DESC, id
  LIMIT ?5
)
RETURNING
  priority, id, execution,
  (SELECT run_id FROM executions WHERE executions.id = task_queue.execution),
  (SELECT number FROM executions WHERE executions.id = task_queue.execution),
  step, task, input, pool, options, attempt, queued_at, failures, progress, token, recoveries, traceparent, limits;

-- name: finish_task
DELETE FROM task_queue WHERE id = ?1 AND token = ?2 AND owner = ?3
RETURNING execution, step, place, EXISTS (SELECT 1 FROM pools WHERE name = task_queue.pool AND slots IS NOT NULL);

-- name: finish_own_task
DELETE FROM task_queue WHERE execution = ?1 AND step = ?2 AND attempt = ?3 AND owner = ?4 AND own = 1 RETURNING id;

-- name: retry_task
UPDATE task_queue
SET owner = NULL, own = 0, attempt = attempt + ?7, failures = ?4, visible_at = ?5,
  state = iif(limits = x'', ?6, 0), held = 0
WHERE id = ?1 AND token = ?2 AND owner = ?3
RETURNING execution, place;

-- name: retry_own_task
UPDATE task_queue
SET owner = NULL, own = 0, attempt = attempt + 1, failures = ?5, visible_at = ?6, state = ?7, progress = ?8
WHERE execution = ?1 AND step = ?2 AND attempt = ?3 AND owner = ?4 AND own = 1
RETURNING execution, place;

-- name: set_aside_tasks
UPDATE task_queue SET state = 3, line = '', held = 0 WHERE execution = ?1 AND state IN (0, 1, 4, 5, 6);

-- name: resume_tasks
UPDATE task_queue SET state = (visible_at <= ?2 AND limits = x'') WHERE execution = ?1 AND state = 3;

-- name: release_tasks
UPDATE task_queue SET owner = NULL, own = 0,
  held = iif((SELECT status FROM executions WHERE id = task_queue.execution) = 'PAUSED', 0, held),
  state = iif((SELECT status FROM executions WHERE id = task_queue.execution) = 'PAUSED', 3, limits = x'')
WHERE id IN (SELECT value FROM json_each(?1)) AND +owner = ?2
RETURNING state, place;

-- name: held_tasks
SELECT id, token FROM task_queue WHERE id IN (SELECT value FROM json_each(?1)) AND +owner = ?2;

-- name: record_progress
UPDATE task_queue SET progress = ?2 WHERE id = ?1;

-- name: lost_tasks
SELECT id, attempt, visible_at, failures, (SELECT name FROM members WHERE member = ?1) FROM task_queue WHERE owner = ?1;

-- name: note_lost_attempt
UPDATE task_queue SET failures = ?2 WHERE id = ?1;

-- name: free_tasks
UPDATE task_queue SET owner = NULL, own = 0, recoveries = recoveries + ?2,
  held = iif((SELECT status FROM executions WHERE id = task_queue.execution) = 'PAUSED', 0, held),
  state = iif((SELECT status FROM executions WHERE id = task_queue.execution) = 'PAUSED', 3, limits = x'')
WHERE owner = ?1
RETURNING state, place;

-- name: remove_poisonous_tasks
DELETE FROM task_queue WHERE owner = ?1 AND recoveries >= ?2 RETURNING execution, step, task, recoveries, place;

-- name: read_queue
SELECT
  task_queue.id, task_queue.execution, step, task, pool, attempt, visible_at, coalesce(members.name, ''), progress,
  failures, line
FROM task_queue LEFT JOIN members ON members.member = task_queue.owner
WHERE task_queue.execution = ?1
ORDER BY task_queue.id;

-- name: read_backlogs
SELECT pool, sum(waiting), min(oldest) FROM (
  SELECT pool, count(*) AS waiting, min(visible_at) AS oldest
  FROM task_queue WHERE state = 1 GROUP BY pool
  UNION ALL
  SELECT pool, count(*), min(visible_at) FROM task_queue WHERE line <> '' AND state = 5 GROUP BY pool
  UNION ALL
  SELECT pool, 1, visible_at FROM task_queue WHERE state = 0 AND visible_at <= ?1
  UNION ALL
  SELECT pool, count(*), min(visible_at) FROM chunks WHERE state = 1 GROUP BY pool
  UNION ALL
  SELECT pool, 1, visible_at FROM chunks WHERE state = 0 AND visible_at <= ?1
) GROUP BY pool;

-- name: read_in_flight
SELECT pool, sum(claimed) FROM (
  SELECT pool, count(*) AS claimed FROM task_queue WHERE owner IS NOT NULL GROUP BY pool
  UNION ALL
  SELECT pool, count(*) FROM chunks WHERE owner IS NOT NULL GROUP BY pool
) GROUP BY pool;

-- name: read_slots
SELECT served.value ->> 0, sum(served.value ->> 1)
FROM members JOIN json_each(members.pools) AS served
WHERE members.lives = 1 AND members.expires_at > ?1
GROUP BY 1;
