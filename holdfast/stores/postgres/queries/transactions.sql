-- Transactions: who writes at what time, and the marks they leave.

-- Marks say what time it was when others wrote, so that the time never goes back. A transaction gets its number when it
-- is asked for it, or when it begins to write.
-- name: begin_write
SELECT (SELECT grip FROM members WHERE member = $1::bigint AND epoch = $2::bigint AND lives = 1),
       greatest(coalesce($3::float8, extract(epoch FROM clock_timestamp())::float8), (SELECT max(at) FROM marks)),
       CASE WHEN $4::boolean THEN pg_current_xact_id()::text::bigint << 20 END

-- The same for a batch of finished tasks, and all that it asks, if its member is alive: their executions, locked in the
-- order of their ids (two batches that lock the same ones wait for one another, and not in a circle); then, of those
-- tasks that are there and claimed as it says, the rows, which are removed, each with a number of the counter.
-- Owners are compared in a way that no index serves, and none before ids are: by them each row would be looked for among
-- all of the member's, or of the queue.
-- name: begin_finish
WITH begun AS MATERIALIZED (
  SELECT (SELECT grip FROM members WHERE member = $1::bigint AND epoch = $2::bigint AND lives = 1) AS grip,
         greatest(coalesce($3::float8, extract(epoch FROM clock_timestamp())::float8), (SELECT max(at) FROM marks)) AS now,
         CASE WHEN $4::boolean THEN pg_current_xact_id()::text::bigint << 20 END AS page
), locked AS MATERIALIZED (
  SELECT id, owner, ready, status FROM executions
  WHERE id = ANY ($5::bigint[]) AND (SELECT grip FROM begun) IS NOT NULL
  ORDER BY id
  FOR NO KEY UPDATE
), finished AS (
  DELETE FROM task_queue
  USING (SELECT id, token, $1 AS owner FROM unnest($6::bigint[], $7::bigint[]) AS given (id, token) OFFSET 0) AS n
  WHERE task_queue.id = n.id AND task_queue.token = n.token AND task_queue.owner IS NOT DISTINCT FROM n.owner
    AND (SELECT grip FROM begun) IS NOT NULL
    AND (SELECT count(*) FROM locked) >= 0  -- asked once, and before any row is looked at
  RETURNING task_queue.id, task_queue.token, execution, step, place,
    EXISTS (SELECT 1 FROM pools WHERE pools.name = task_queue.pool AND slots IS NOT NULL)::int AS limited,
    nextval('tokens') AS drawn
)
SELECT 'begun', grip, page, NULL::bigint, NULL::text, NULL::text, NULL::bigint, now FROM begun
UNION ALL
SELECT 'execution', id, owner, ready, status, NULL, NULL, NULL FROM locked
UNION ALL
SELECT 'task', id, token, execution, step, place, drawn, limited FROM finished

-- The same for whoever is about to claim work, and what there is to be claimed: tasks that are due, lines that were
-- touched, chunks that are due, rules of pools, rows that take turns in these pools, tasks and chunks that are ready in
-- them. If all that can be claimed are ready tasks, they are, as many of each pool as it says, with `claim_tasks`' columns.
-- name: begin_claims
WITH begun AS MATERIALIZED (
  SELECT *, $7::text[] IS NOT NULL AND grip IS NOT NULL AND NOT (due OR touched OR ruled OR in_turn) AS is_open
  FROM (
    SELECT grip, now, page,
           EXISTS (SELECT FROM task_queue WHERE state = 0 AND visible_at <= now) AS due,
           EXISTS (SELECT FROM touched_lines) AS touched,
           EXISTS (SELECT FROM chunks WHERE state = 0 AND visible_at <= now),
           EXISTS (SELECT FROM pools) AS ruled,
           EXISTS (SELECT FROM task_queue WHERE line <> '' AND line = ANY ($6::text[])) AS in_turn,
           EXISTS (SELECT FROM task_queue WHERE state = 1 AND pool = ANY ($5::text[])),
           EXISTS (SELECT FROM chunks WHERE state = 1 AND pool = ANY ($5::text[]))
    FROM (
      SELECT (SELECT grip FROM members WHERE member = $1::bigint AND epoch = $2::bigint AND lives = 1) AS grip,
             greatest(
               coalesce($3::float8, extract(epoch FROM clock_timestamp())::float8), (SELECT max(at) FROM marks)
             ) AS now,
             CASE WHEN $4::boolean THEN pg_current_xact_id()::text::bigint << 20 END AS page
      OFFSET 0
    ) AS begun
    OFFSET 0
  ) AS looked
), claimed AS (
  UPDATE task_queue SET state = 2, owner = $1, own = 0, token = nextval('tokens')
  FROM executions
  WHERE task_queue.id = ANY (ARRAY(
    SELECT ready.id
    FROM unnest($7::text[], $8::bigint[]) AS asked (pool, places) CROSS JOIN LATERAL (
      SELECT id FROM task_queue
      WHERE pool = asked.pool AND state = 1 AND task = ANY ($9::text[])
      ORDER BY priority DESC, id
      LIMIT asked.places
      FOR UPDATE SKIP LOCKED
    ) AS ready
    WHERE (SELECT is_open FROM begun)
  )) AND executions.id = task_queue.execution
  RETURNING
    priority, task_queue.id, execution, run_id, number, step, task, input, pool, options, attempt, queued_at,
    failures, progress, token, task_queue.recoveries, traceparent, limits
)
SELECT begun.*, claimed.* FROM begun LEFT JOIN claimed ON true

-- name: read_now
SELECT greatest(coalesce($1::float8, extract(epoch FROM clock_timestamp())::float8), (SELECT max(at) FROM marks))

-- name: renew_member
UPDATE members SET lease_seconds = $3, state = $4, expires_at = $3
  + greatest(extract(epoch FROM clock_timestamp())::float8, (SELECT max(at) FROM marks))
WHERE member = $1 AND epoch = $2 AND lives = 1

-- Whoever changed nothing leaves nothing: looking in vain for work is free of disk writes.
-- name: mark_change
INSERT INTO marks (writer, number, attempt, at) SELECT $1::bigint, $2::bigint, $3::bigint, $4::float8
WHERE pg_current_xact_id_if_assigned() IS NOT NULL

-- name: keep_mark
UPDATE marks SET at = $4::float8 WHERE writer = $1::bigint AND number = $2::bigint AND attempt = $3::bigint

-- name: leave_mark
INSERT INTO marks (writer, number, attempt, at) VALUES ($1, $2, $3, 0.0) ON CONFLICT DO NOTHING RETURNING attempt

-- name: read_mark
SELECT attempt FROM marks WHERE writer = $1 AND number = $2

-- name: drop_marks
DELETE FROM marks WHERE writer = $1 AND at < $2

-- Those of store objects that are no more. The newest one stays, for the time it tells.
-- name: drop_orphaned_marks
DELETE FROM marks WHERE at < $1 AND at < (SELECT max(at) FROM marks)

-- Transactions are numbered when they begin to write, pages within them by 20 bits.
-- name: first_page
SELECT pg_current_xact_id()::text::bigint << 20

-- The time, and how long ago the transaction was asked for: its locks may have kept it waiting.
-- name: read_time
SELECT extract(epoch FROM clock_timestamp())::float8, extract(epoch FROM clock_timestamp() - now())::float8
