-- Histories: started and appended to. The hot path of the store.

-- name: start_execution
INSERT INTO executions (run_id, number, workflow, status, input_digest, code_version, created_at, owner, ready)
VALUES (?1, 1, ?2, 'RUNNING', ?3, ?4, ?5, ?6, ?7)
ON CONFLICT DO NOTHING

-- name: started_before
SELECT first.workflow, first.input_digest, newest.id, newest.number, newest.status
FROM executions AS first JOIN executions AS newest USING (run_id)
WHERE run_id = ?1 AND first.number = 1
ORDER BY newest.number DESC LIMIT 1

-- name: append_page
INSERT INTO events (execution, first, last, commit_number, body, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6)

-- name: put_blob
INSERT INTO blobs (digest, content) VALUES (?1, ?2) ON CONFLICT DO NOTHING

-- name: held_execution
SELECT recoveries, parts, (SELECT last FROM events WHERE execution = ?1 ORDER BY first DESC LIMIT 1)
FROM executions WHERE id = ?1 AND owner = ?2

-- name: take_grip
UPDATE members SET grip = ?2 WHERE member = ?1

-- name: set_wake
UPDATE executions SET wake_at = ?2 WHERE id = ?1

-- name: set_parts
UPDATE executions SET parts = ?2 WHERE id = ?1

-- name: make_stable
UPDATE executions SET recoveries = 0 WHERE id = ?1

-- name: look_before_closing
SELECT EXISTS (SELECT 1 FROM inbox WHERE execution = ?1 AND id > ?2),
       EXISTS (SELECT 1 FROM inbox WHERE execution = ?1) OR EXISTS (SELECT 1 FROM delivered WHERE execution = ?1)

-- name: close_execution
UPDATE executions SET status = ?2, outcome = ?3, closed_at = ?4, owner = NULL, ready = 0, wake_at = NULL
WHERE id = ?1

-- name: read_pages
SELECT first, last, body, hash FROM events
WHERE execution = ?1 AND last > ?2
  AND first >= (SELECT coalesce(max(first), 0) FROM events WHERE execution = ?1 AND first <= ?2 + 1)
ORDER BY first

-- name: read_blob
SELECT content FROM blobs WHERE digest = ?1
