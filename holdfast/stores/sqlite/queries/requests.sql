-- name: ask
INSERT INTO requests (run_id, execution, kind, name, body, operation_id, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT (execution, operation_id) WHERE operation_id <> '' DO UPDATE SET
  expires_at = max(expires_at, excluded.expires_at)
RETURNING id;

-- name: take_requests
-- One taken by a member that is gone is free; one whose run found an owner meanwhile is that owner's. An update of a
-- paused run waits until it is resumed.
UPDATE requests SET owner = ?1 WHERE id IN (
  SELECT requests.id FROM requests CROSS JOIN executions ON executions.id = requests.execution
  WHERE answer IS NULL AND requests.expires_at > ?2
    AND (
      (executions.owner = ?1 AND requests.owner IS NOT ?1)
      OR (executions.owner IS NULL AND NOT (requests.kind = 'update' AND executions.status = 'PAUSED') AND NOT EXISTS (
        SELECT 1 FROM members WHERE members.member = requests.owner AND members.lives = 1
      ))
    )
  ORDER BY +requests.id
  LIMIT ?3
)
RETURNING id, run_id, execution, kind, name, body, operation_id;

-- name: make_unowned_ready
UPDATE executions SET ready = 1 WHERE id = ?1 AND owner IS NULL AND ready = 0 AND starts_at = 0 AND status = 'RUNNING';

-- name: answer
UPDATE requests SET answer = ?2 WHERE id = ?1 AND answer IS NULL;

-- name: return_request
UPDATE requests SET owner = NULL WHERE id = ?1 AND owner = ?2 AND answer IS NULL;

-- name: drop_expired_requests
DELETE FROM requests WHERE id IN (SELECT id FROM requests WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2);

-- name: read_answer
SELECT answer FROM requests WHERE id = ?1;
