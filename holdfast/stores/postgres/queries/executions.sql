-- Executions: who may claim them, who owns them, how they stand.

-- name: park_execution
UPDATE executions SET status = 'PARKED', parked = $2, owner = NULL, ready = 0
WHERE id = $1 AND status = 'RUNNING'

-- name: execution_standing
SELECT run_id, owner, status FROM executions WHERE id = $1

-- name: schedule_execution
UPDATE executions SET ready = 0, wake_at = given.due, starts_at = given.due
FROM unnest($1::bigint[], $2::double precision[]) AS given (id, due)
WHERE executions.id = given.id

-- name: is_scheduled
SELECT (starts_at > 0)::int FROM executions WHERE id = $1

-- name: loosen_grip
UPDATE members SET grip = 0 WHERE member = $1

-- Due timers become ready first, so that a claim looks in one index and never walks over what nobody here knows.
-- name: wake_executions
UPDATE executions SET ready = 1, starts_at = 0 WHERE id = ANY (ARRAY(
  SELECT id FROM executions
  WHERE wake_at <= $1 AND ready = 0 AND owner IS NULL AND status = 'RUNNING'
  ORDER BY wake_at LIMIT $2
  FOR UPDATE SKIP LOCKED
))

-- Of each workflow so many, the oldest. Names come with the version of the code that there is, or with none.
-- name: ready_executions
SELECT found.* FROM json_array_elements($1::json) AS known (pair) CROSS JOIN LATERAL (
  SELECT id, run_id, number, workflow, recoveries, code_version FROM executions
  WHERE workflow = pair ->> 0 AND ready = 1 AND owner IS NULL AND status = 'RUNNING'
    AND (pair ->> 1 = '' OR (pin IN ('', pair ->> 1) AND misfit <> pair ->> 1))
  ORDER BY id LIMIT $2
  FOR NO KEY UPDATE SKIP LOCKED
) AS found

-- name: count_ready_executions
SELECT count(*) FROM (
  SELECT FROM executions WHERE ready = 1 AND owner IS NULL AND status = 'RUNNING' LIMIT nullif($1, -1)
) AS found

-- name: pin_execution
UPDATE executions SET pin = given.pin FROM unnest($1::bigint[], $2::text[]) AS given (id, pin)
WHERE executions.id = given.id AND executions.pin = ''

-- name: note_version
UPDATE executions SET code_version = given.version FROM unnest($1::bigint[], $2::text[]) AS given (id, version)
WHERE executions.id = given.id

-- name: note_misfit
UPDATE executions SET misfit = $2 WHERE id = $1

-- name: fit_executions
UPDATE executions SET status = 'RUNNING', parked = '', ready = 1
WHERE newest = 1 AND status = 'PARKED' AND workflow = $1 AND misfit NOT IN ('', $2) AND pin IN ('', $2)
RETURNING id

-- name: own_execution
UPDATE executions SET owner = given.owner, ready = 0 FROM unnest($1::bigint[], $2::bigint[]) AS given (id, owner)
WHERE executions.id = given.id

-- name: release_execution
UPDATE executions
SET owner = NULL, ready = ($3::smallint <> 0 OR EXISTS (SELECT FROM inbox WHERE execution = $1))::int
WHERE id = $1 AND owner = $2

-- name: is_ready
SELECT ready FROM executions WHERE id = $1

-- name: park_poison
UPDATE executions SET status = 'PARKED', parked = $3, owner = NULL, ready = 0, recoveries = recoveries + 1
WHERE owner = $1 AND recoveries >= $2
RETURNING id, run_id

-- name: free_executions
UPDATE executions SET owner = NULL, ready = 1, recoveries = recoveries + $2 WHERE owner = $1

-- name: unpark_execution
UPDATE executions SET status = 'RUNNING', parked = '', misfit = '', ready = 1, captured = ''
WHERE id = $1 AND status = 'PARKED'

-- name: resume_execution
UPDATE executions SET status = 'RUNNING', parked = '', paused_by = '', paused_reason = '', paused_at = NULL,
  recoveries = 0, misfit = '', ready = (starts_at = 0)::int, captured = ''
WHERE id = $1 AND status IN ('PARKED', 'PAUSED')

-- name: take_execution
UPDATE executions SET owner = NULL, ready = 0 WHERE id = $1

-- name: pause_execution
UPDATE executions SET status = 'PAUSED', paused_by = $2, paused_reason = $3, paused_at = $4, owner = NULL, ready = 0
WHERE id = $1

-- name: note_taken
INSERT INTO taken (member, execution) VALUES ($1, $2) ON CONFLICT DO NOTHING

-- name: forget_taken
DELETE FROM taken WHERE member = $1 AND execution = $2

-- name: forget_all_taken
DELETE FROM taken WHERE member = $1

-- Executions of a member that were told to end and that it did not end.
-- name: told_to_end
SELECT execution, body FROM inbox WHERE owner = $1 AND kind = 'terminate' ORDER BY id

-- name: execution_told_to_end
SELECT body FROM inbox WHERE execution = $1 AND kind = 'terminate' ORDER BY id LIMIT 1

-- name: unowned_tip
SELECT parts, tips.last, tips.seq, events.hash
FROM executions JOIN tips ON tips.execution = executions.id JOIN events ON events.seq = tips.seq
WHERE executions.id = $1 AND executions.owner IS NULL

-- name: newest_execution
SELECT id, owner, status FROM executions WHERE run_id = $1 ORDER BY number DESC LIMIT 1

-- name: numbered_execution
SELECT id, owner, status FROM executions WHERE run_id = $1 AND number = $2

-- name: read_execution
SELECT e.id, e.run_id, e.number, e.workflow, e.status, e.created_at, e.closed_at, e.parked, e.outcome,
       (SELECT name FROM members WHERE member = e.owner),
       coalesce((SELECT last FROM tips WHERE execution = e.id), e.last),
       e.code_version, e.recoveries, e.wake_at, e.paused_by, e.paused_reason, e.paused_at,
       (SELECT coalesce(json_object_agg(name, value ORDER BY name)::text, '{}') FROM attributes WHERE execution = e.id),
       (SELECT body FROM memos WHERE execution = e.id),
       e.pin, e.starts_at
FROM executions AS e WHERE e.id = $1

-- name: list_executions
SELECT id FROM executions WHERE newest = 1 AND id < $1
  AND ($2::text IS NULL OR workflow = ANY (ARRAY(SELECT json_array_elements_text($2::json))))
ORDER BY id DESC LIMIT $3

-- That is, those of one status with ids below one. In these words the order is that of `executions_status` only: in plain
-- words the server may go through all runs instead, because it does not know how rare the status is.
-- name: list_executions_of_status
SELECT id FROM executions
WHERE newest = 1 AND (status, id) < ($4, $1) AND status >= $4
  AND ($2::text IS NULL OR workflow = ANY (ARRAY(SELECT json_array_elements_text($2::json))))
ORDER BY status DESC, id DESC LIMIT $3

-- name: find_executions
SELECT id FROM executions
WHERE newest = 1 AND id < $1 AND ($2::text IS NULL OR workflow = ANY (ARRAY(SELECT json_array_elements_text($2::json))))
  AND ($4::text IS NULL OR status = ANY (ARRAY(SELECT json_array_elements_text($4::json))))
  AND ($5::double precision IS NULL OR created_at >= $5) AND ($6::double precision IS NULL OR created_at < $6)
  AND ($7::text IS NULL OR strpos(parked, $7) > 0
    OR (status IN ('FAILED', 'TIMED_OUT', 'CANCELLED', 'TERMINATED') AND position(convert_to($7, 'UTF8') IN outcome) > 0))
ORDER BY id DESC LIMIT $3

-- name: count_found_executions
SELECT count(*) FROM (
  SELECT FROM executions
  WHERE newest = 1 AND id < $1 AND ($2::text IS NULL OR workflow = ANY (ARRAY(SELECT json_array_elements_text($2::json))))
    AND ($4::text IS NULL OR status = ANY (ARRAY(SELECT json_array_elements_text($4::json))))
    AND ($5::double precision IS NULL OR created_at >= $5) AND ($6::double precision IS NULL OR created_at < $6)
    AND ($7::text IS NULL OR strpos(parked, $7) > 0
      OR (status IN ('FAILED', 'TIMED_OUT', 'CANCELLED', 'TERMINATED') AND position(convert_to($7, 'UTF8') IN outcome) > 0))
  LIMIT $3
) AS found

-- name: count_executions
SELECT status, count(*) FROM executions WHERE newest = 1 GROUP BY status

-- name: count_late_executions
SELECT count(*), min(wake_at) FROM executions
WHERE wake_at IS NOT NULL AND wake_at <= $1 AND ready = 0 AND owner IS NULL AND status = 'RUNNING'
