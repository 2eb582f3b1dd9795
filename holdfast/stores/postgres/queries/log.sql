-- Histories: started and appended to. The hot path of the store.
--
-- In all files here: a statement over `unnest($1 ...)` is given all its rows at once, an array for each binding. However
-- many rows there are, they cost one way to the server and back.

-- name: start_execution
INSERT INTO executions (run_id, number, workflow, status, input_digest, code_version, created_at, owner, ready)
VALUES ($1, 1, $2, 'RUNNING', $3, $4, $5, $6, $7)
ON CONFLICT DO NOTHING
RETURNING id

-- name: started_before
SELECT workflow, input_digest, id, number, status FROM executions
WHERE run_id = $1 ORDER BY number DESC LIMIT 1

-- name: append_page
-- There is no chain over all commits here: the number of the commit is not kept.
INSERT INTO events (seq, previous, execution, first, last, body, hash)
SELECT seq, previous, execution, first, last, body, hash
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bytea[], $8::bytea[])
  AS given (seq, previous, execution, first, last, commit_number, body, hash)

-- name: begin_tip
INSERT INTO tips (execution, last, seq) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])

-- name: move_tip
UPDATE tips SET last = given.last, seq = given.seq
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) AS given (execution, last, seq, before)
WHERE tips.execution = given.execution AND tips.last = given.before

-- name: end_tip
DELETE FROM tips USING unnest($1::bigint[], $2::bigint[]) AS given (execution, last)
WHERE tips.execution = given.execution AND tips.last = given.last

-- name: held_execution
SELECT recoveries, parts, tips.last, tips.seq
FROM executions JOIN tips ON tips.execution = executions.id
WHERE id = $1 AND owner = $2

-- name: take_grip
UPDATE members SET grip = $2 WHERE member = $1

-- name: set_wake
UPDATE executions SET wake_at = given.wake_at
FROM unnest($1::bigint[], $2::double precision[]) AS given (id, wake_at)
WHERE executions.id = given.id

-- name: set_parts
UPDATE executions SET parts = given.parts FROM unnest($1::bigint[], $2::bigint[]) AS given (id, parts)
WHERE executions.id = given.id

-- name: make_stable
UPDATE executions SET recoveries = 0 WHERE id = ANY (SELECT unnest($1::bigint[]))

-- name: look_before_closing
SELECT unread, had_mail FROM look_before_closing($1, $2)

-- name: close_execution
UPDATE executions SET status = given.status, outcome = given.outcome, closed_at = given.closed_at, last = given.last,
  tip = given.tip, owner = NULL, ready = 0, wake_at = NULL
FROM unnest($1::bigint[], $2::text[], $3::bytea[], $4::double precision[], $5::bigint[], $6::bigint[])
  AS given (id, status, outcome, closed_at, last, tip)
WHERE executions.id = given.id

-- name: read_pages
WITH RECURSIVE chain (seq, previous, first, last, body, hash) AS (
  SELECT seq, previous, first, last, body, hash FROM events
  WHERE seq = coalesce((SELECT seq FROM tips WHERE execution = $1), (SELECT tip FROM executions WHERE id = $1))
    AND last > $2
  UNION ALL
  SELECT e.seq, e.previous, e.first, e.last, e.body, e.hash
  FROM chain JOIN events AS e ON e.seq = chain.previous
  WHERE e.last > $2
)
SELECT first, last, body, hash FROM chain ORDER BY first

-- name: read_blob
SELECT content FROM blobs WHERE digest = $1
