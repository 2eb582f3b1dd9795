-- Executions: who may claim them, who owns them, how they stand.

-- name: park_execution
UPDATE executions SET status = 'PARKED', parked = ?2, owner = NULL, ready = 0
WHERE id = ?1 AND status = 'RUNNING'

-- name: execution_standing
SELECT run_id, owner, status FROM executions WHERE id = ?1

-- name: disown_inbox
UPDATE inbox SET owner = NULL WHERE execution = ?1 AND owner IS NOT NULL

-- name: loosen_grip
UPDATE members SET grip = 0 WHERE member = ?1
