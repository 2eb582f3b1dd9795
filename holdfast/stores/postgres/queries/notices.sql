-- Notices: whom to tell that a run has ended.

-- name: put_notice
INSERT INTO notices (execution, url, status, changed)
SELECT execution, url, 'WAITING', changed FROM unnest($1::bigint[], $2::bytea[], $3::double precision[])
  WITH ORDINALITY AS given (execution, url, changed, place)
ORDER BY place

-- name: move_notices
UPDATE notices SET execution = $2 WHERE execution = $1

-- name: release_notices
UPDATE notices SET status = 'DUE', due = $2, changed = $2 WHERE execution = $1 AND status = 'WAITING'

-- name: due_notices
SELECT n.id, e.run_id, e.number, n.url, n.attempt + 1, coalesce(e.closed_at, 0)
FROM notices n JOIN executions e ON e.id = n.execution
WHERE n.due <= $1 ORDER BY n.due LIMIT $2
FOR UPDATE OF n SKIP LOCKED

-- name: claim_notice
UPDATE notices SET attempt = given.attempt, due = given.due, changed = given.changed
FROM unnest($1::bigint[], $2::bigint[], $3::double precision[], $4::double precision[])
  AS given (id, attempt, due, changed)
WHERE notices.id = given.id

-- name: settle_notice
UPDATE notices SET status = $3, due = $4, changed = $5, error = $6
WHERE id = $1 AND attempt = $2 AND status = 'DUE'

-- name: resend_notice
UPDATE notices SET status = 'DUE', due = $2, changed = $2 WHERE id = $1 AND status IN ('SENT', 'UNSENT')

-- name: next_notice
SELECT min(due) FROM notices WHERE due IS NOT NULL

-- name: read_notices
SELECT n.id, e.run_id, e.number, n.url, n.status, n.attempt, n.due, n.changed, n.error
FROM notices n JOIN executions e ON e.id = n.execution
WHERE n.id < $1 AND ($2 = '' OR n.status = $2) AND ($3 = '' OR e.run_id = $3)
ORDER BY n.id DESC LIMIT $4

-- name: drop_notices
DELETE FROM notices WHERE execution = $1 AND status IN ('SENT', 'UNSENT')
