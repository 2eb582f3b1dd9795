-- Runs that went wrong and of which no capture was made yet.

-- name: uncaptured
SELECT id FROM executions
WHERE status IN ('FAILED', 'TIMED_OUT', 'PARKED') AND captured <> status
ORDER BY id DESC LIMIT $1

-- name: mark_captured
UPDATE executions SET captured = given.status FROM unnest($1::bigint[], $2::text[]) AS given (id, status)
WHERE executions.id = given.id

-- name: mark_older_captured
UPDATE executions SET captured = status
WHERE status IN ('FAILED', 'TIMED_OUT', 'PARKED') AND captured <> status AND id < $1
