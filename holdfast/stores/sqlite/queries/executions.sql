-- Executions: who may claim them, who owns them, how they stand.

-- name: park_execution
UPDATE executions SET status = 'PARKED', parked = ?2, owner = NULL, ready = 0
WHERE id = ?1 AND status = 'RUNNING'

-- name: execution_standing
SELECT run_id, owner, status FROM executions WHERE id = ?1

-- name: loosen_grip
UPDATE members SET grip = 0 WHERE member = ?1

-- Due timers become ready first, so that a claim looks in one index and never walks over what nobody here knows.
-- name: wake_executions
UPDATE executions SET ready = 1 WHERE id IN (
  SELECT id FROM executions
  WHERE wake_at <= ?1 AND ready = 0 AND owner IS NULL AND status = 'RUNNING'
  ORDER BY wake_at LIMIT ?2
)

-- name: ready_executions
SELECT id, run_id, number, workflow, recoveries FROM executions
WHERE workflow = ?1 AND ready = 1 AND owner IS NULL AND status = 'RUNNING'
ORDER BY id LIMIT ?2

-- name: own_execution
UPDATE executions SET owner = ?2, ready = 0 WHERE id = ?1

-- name: release_execution
UPDATE executions SET owner = NULL, ready = (?3 OR EXISTS (SELECT 1 FROM inbox WHERE execution = ?1))
WHERE id = ?1 AND owner = ?2

-- name: is_ready
SELECT ready FROM executions WHERE id = ?1

-- name: park_poison
UPDATE executions SET status = 'PARKED', parked = ?3, owner = NULL, ready = 0, recoveries = recoveries + 1
WHERE owner = ?1 AND recoveries >= ?2
RETURNING run_id

-- name: free_executions
UPDATE executions SET owner = NULL, ready = 1, recoveries = recoveries + ?2 WHERE owner = ?1

-- name: resume_execution
UPDATE executions SET status = 'RUNNING', parked = '', recoveries = 0, ready = 1, captured = ''
WHERE id = ?1 AND status = 'PARKED'

-- name: newest_execution
SELECT id, owner, status FROM executions WHERE run_id = ?1 ORDER BY number DESC LIMIT 1

-- name: numbered_execution
SELECT id, owner, status FROM executions WHERE run_id = ?1 AND number = ?2

-- name: read_execution
SELECT e.id, e.run_id, e.number, e.workflow, e.status, e.created_at, e.closed_at, e.parked, e.outcome,
       (SELECT name FROM members WHERE member = e.owner),
       coalesce((SELECT last FROM tips WHERE execution = e.id), e.last),
       e.code_version, e.recoveries, e.wake_at
FROM executions AS e WHERE e.id = ?1

-- name: list_executions
SELECT id FROM executions WHERE newest = 1 AND id < ?1 AND (?2 IS NULL OR workflow = ?2) ORDER BY id DESC LIMIT ?3

-- name: list_executions_of_status
SELECT id FROM executions
WHERE newest = 1 AND status = ?4 AND id < ?1 AND (?2 IS NULL OR workflow = ?2) ORDER BY id DESC LIMIT ?3

-- name: count_executions
SELECT status, count(*) FROM executions WHERE newest = 1 GROUP BY status

-- name: next_execution
SELECT min(wake_at) FROM executions
WHERE wake_at > ?1 AND ready = 0 AND owner IS NULL AND status = 'RUNNING'
