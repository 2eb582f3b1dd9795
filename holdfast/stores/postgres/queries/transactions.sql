-- Transactions: who writes at what time, and the marks they leave.

-- Marks say what time it was when others wrote, so that the time never goes back. A transaction gets its number when it
-- is asked for it, or when it begins to write.
-- name: begin_write
SELECT (SELECT grip FROM members WHERE member = $1::bigint AND epoch = $2::bigint AND lives = 1),
       greatest(coalesce($3::float8, extract(epoch FROM clock_timestamp())::float8), (SELECT max(at) FROM marks)),
       CASE WHEN $4::boolean THEN pg_current_xact_id()::text::bigint << 20 END

-- The same for whoever is about to claim work, and what there is to be claimed: tasks that are due, without limits and
-- with them, lines that were touched, chunks that are due, rules of pools, rows that take turns, tasks and chunks that
-- are ready in these pools.
-- name: begin_claims
SELECT grip, now, page,
       EXISTS (SELECT FROM task_queue WHERE state = 0 AND visible_at <= now AND limits = ''),
       EXISTS (SELECT FROM task_queue WHERE state = 0 AND visible_at <= now AND limits <> ''),
       EXISTS (SELECT FROM touched_lines),
       EXISTS (SELECT FROM chunks WHERE state = 0 AND visible_at <= now),
       EXISTS (SELECT FROM pools),
       EXISTS (
         SELECT FROM task_queue
         WHERE line <> '' AND line = ANY (ARRAY(
           SELECT kind || json_array_elements_text($5::json) FROM (VALUES ('pool '), ('prefix ')) AS kinds (kind)
         ))
       ),
       EXISTS (SELECT FROM task_queue WHERE state = 1 AND pool = ANY (ARRAY(SELECT json_array_elements_text($5::json)))),
       EXISTS (SELECT FROM chunks WHERE state = 1 AND pool = ANY (ARRAY(SELECT json_array_elements_text($5::json))))
FROM (
  SELECT (SELECT grip FROM members WHERE member = $1::bigint AND epoch = $2::bigint AND lives = 1) AS grip,
         greatest(coalesce($3::float8, extract(epoch FROM clock_timestamp())::float8), (SELECT max(at) FROM marks)) AS now,
         CASE WHEN $4::boolean THEN pg_current_xact_id()::text::bigint << 20 END AS page
  OFFSET 0
) AS begun

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
