-- Runs that went wrong and of which no capture was made yet.

-- name: uncaptured
SELECT id FROM executions INDEXED BY executions_uncaptured
WHERE status IN ('FAILED', 'TIMED_OUT', 'PARKED') AND captured <> status
ORDER BY id DESC LIMIT ?1

-- name: mark_captured
UPDATE executions SET captured = ?2 WHERE id = ?1

-- name: mark_older_captured
UPDATE executions INDEXED BY executions_uncaptured SET captured = status
WHERE status IN ('FAILED', 'TIMED_OUT', 'PARKED') AND captured <> status AND id < ?1
