-- Transactions: who writes at what time, and the marks they leave.

-- Marks say what time it was when others wrote, so that the time never goes back. A transaction gets its number when it
-- is asked for it, or when it begins to write.
-- name: begin_write
SELECT (SELECT grip FROM members WHERE member = $1::bigint AND epoch = $2::bigint AND lives = 1),
       greatest(coalesce($3::float8, extract(epoch FROM clock_timestamp())::float8), (SELECT max(at) FROM marks)),
       CASE WHEN $4::boolean THEN pg_current_xact_id()::text::bigint << 20 END

-- name: read_now
SELECT greatest(coalesce($1::float8, extract(epoch FROM clock_timestamp())::float8), (SELECT max(at) FROM marks))

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
