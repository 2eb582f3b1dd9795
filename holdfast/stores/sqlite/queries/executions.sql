-- Executions: who may claim them, who owns them, how they stand.

-- name: park_execution
UPDATE executions SET status = 'PARKED', parked = ?2, owner = NULL, ready = 0
WHERE id = ?1 AND status = 'RUNNING'

-- name: execution_standing
SELECT run_id, owner, status FROM executions WHERE id = ?1

-- name: schedule_execution
UPDATE executions SET ready = 0, wake_at = ?2, starts_at = ?2 WHERE id = ?1

-- name: is_scheduled
SELECT starts_at > 0 FROM executions WHERE id = ?1

-- name: loosen_grip
UPDATE members SET grip = 0 WHERE member = ?1

-- Due timers become ready first, so that a claim looks in one index and never walks over what nobody here knows.
-- name: wake_executions
UPDATE executions SET ready = 1, starts_at = 0 WHERE id IN (
  SELECT id FROM executions
  WHERE wake_at <= ?1 AND ready = 0 AND owner IS NULL AND status = 'RUNNING'
  ORDER BY wake_at LIMIT ?2
)

-- Of each workflow so many, the oldest. Names come with the version of the code that there is, or with none.
-- name: ready_executions
SELECT found.id, found.run_id, found.number, found.workflow, found.recoveries, found.code_version
FROM (SELECT value ->> 0 AS name, value ->> 1 AS version FROM json_each(?1)) AS known
JOIN executions AS found ON found.id IN (
  SELECT id FROM executions
  WHERE workflow = known.name AND ready = 1 AND owner IS NULL AND status = 'RUNNING'
    AND (known.version = '' OR (pin IN ('', known.version) AND misfit <> known.version))
  ORDER BY id LIMIT ?2
)

-- name: count_ready_executions
SELECT count(*) FROM (
  SELECT 1 FROM executions WHERE ready = 1 AND owner IS NULL AND status = 'RUNNING' LIMIT ?1
)

-- name: pin_execution
UPDATE executions SET pin = ?2 WHERE id = ?1 AND pin = ''

-- name: note_version
UPDATE executions SET code_version = ?2 WHERE id = ?1

-- name: note_misfit
UPDATE executions SET misfit = ?2 WHERE id = ?1

-- name: fit_executions
UPDATE executions SET status = 'RUNNING', parked = '', ready = 1
WHERE newest = 1 AND status = 'PARKED' AND workflow = ?1 AND misfit NOT IN ('', ?2) AND pin IN ('', ?2)
RETURNING id

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
RETURNING id, run_id

-- name: free_executions
UPDATE executions SET owner = NULL, ready = 1, recoveries = recoveries + ?2 WHERE owner = ?1

-- name: unpark_execution
UPDATE executions SET status = 'RUNNING', parked = '', misfit = '', ready = 1, captured = ''
WHERE id = ?1 AND status = 'PARKED'

-- name: resume_execution
UPDATE executions SET status = 'RUNNING', parked = '', paused_by = '', paused_reason = '', paused_at = NULL,
  recoveries = 0, misfit = '', ready = (starts_at = 0), captured = ''
WHERE id = ?1 AND status IN ('PARKED', 'PAUSED')

-- name: take_execution
UPDATE executions SET owner = NULL, ready = 0 WHERE id = ?1

-- name: pause_execution
UPDATE executions SET status = 'PAUSED', paused_by = ?2, paused_reason = ?3, paused_at = ?4, owner = NULL, ready = 0
WHERE id = ?1

-- name: note_taken
INSERT INTO taken (member, execution) VALUES (?1, ?2) ON CONFLICT DO NOTHING

-- name: forget_taken
DELETE FROM taken WHERE member = ?1 AND execution = ?2

-- name: forget_all_taken
DELETE FROM taken WHERE member = ?1

-- Executions of a member that were told to end and that it did not end.
-- name: told_to_end
SELECT execution, body FROM inbox WHERE owner = ?1 AND kind = 'terminate' ORDER BY id

-- name: execution_told_to_end
SELECT body FROM inbox WHERE execution = ?1 AND kind = 'terminate' ORDER BY id LIMIT 1

-- name: unowned_tip
SELECT parts, tips.last, tips.seq, events.hash
FROM executions JOIN tips ON tips.execution = executions.id JOIN events ON events.seq = tips.seq
WHERE executions.id = ?1 AND executions.owner IS NULL

-- name: newest_execution
SELECT id, owner, status FROM executions WHERE run_id = ?1 ORDER BY number DESC LIMIT 1

-- name: numbered_execution
SELECT id, owner, status FROM executions WHERE run_id = ?1 AND number = ?2

-- name: read_execution
SELECT e.id, e.run_id, e.number, e.workflow, e.status, e.created_at, e.closed_at, e.parked, e.outcome,
       (SELECT name FROM members WHERE member = e.owner),
       coalesce((SELECT last FROM tips WHERE execution = e.id), e.last),
       e.code_version, e.recoveries, e.wake_at, e.paused_by, e.paused_reason, e.paused_at,
       (SELECT json_group_object(name, value) FROM attributes WHERE execution = e.id),
       (SELECT body FROM memos WHERE execution = e.id),
       e.pin, e.starts_at
FROM executions AS e WHERE e.id = ?1

-- name: list_executions
SELECT id FROM executions WHERE newest = 1 AND id < ?1 AND (?2 IS NULL OR workflow IN (SELECT value FROM json_each(?2))) ORDER BY id DESC LIMIT ?3

-- name: list_executions_of_status
SELECT id FROM executions
WHERE newest = 1 AND status = ?4 AND id < ?1 AND (?2 IS NULL OR workflow IN (SELECT value FROM json_each(?2))) ORDER BY id DESC LIMIT ?3

-- name: find_executions
SELECT id FROM executions
WHERE newest = 1 AND id < ?1 AND (?2 IS NULL OR workflow IN (SELECT value FROM json_each(?2)))
  AND (?4 IS NULL OR status IN (SELECT value FROM json_each(?4)))
  AND (?5 IS NULL OR created_at >= ?5) AND (?6 IS NULL OR created_at < ?6)
  AND (?7 IS NULL OR instr(parked, ?7)
    OR (status IN ('FAILED', 'TIMED_OUT', 'CANCELLED', 'TERMINATED') AND instr(outcome, CAST(?7 AS BLOB))))
ORDER BY id DESC LIMIT ?3

-- name: count_found_executions
SELECT count(*) FROM (
  SELECT 1 FROM executions
  WHERE newest = 1 AND id < ?1 AND (?2 IS NULL OR workflow IN (SELECT value FROM json_each(?2)))
    AND (?4 IS NULL OR status IN (SELECT value FROM json_each(?4)))
    AND (?5 IS NULL OR created_at >= ?5) AND (?6 IS NULL OR created_at < ?6)
    AND (?7 IS NULL OR instr(parked, ?7)
      OR (status IN ('FAILED', 'TIMED_OUT', 'CANCELLED', 'TERMINATED') AND instr(outcome, CAST(?7 AS BLOB))))
  LIMIT ?3
)

-- name: count_executions
SELECT status, count(*) FROM executions WHERE newest = 1 GROUP BY status

-- name: count_late_executions
SELECT count(*), min(wake_at) FROM executions
WHERE wake_at IS NOT NULL AND wake_at <= ?1 AND ready = 0 AND owner IS NULL AND status = 'RUNNING'
