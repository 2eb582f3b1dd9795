-- Deadlines: executions that time out.

-- name: put_deadline
INSERT INTO deadlines (execution, due) SELECT * FROM unnest($1::bigint[], $2::double precision[])

-- name: due_deadlines
SELECT deadlines.execution, executions.closed_at IS NOT NULL, executions.owner
FROM deadlines JOIN executions ON executions.id = deadlines.execution
WHERE due <= $1 ORDER BY due LIMIT $2

-- name: drop_deadline
DELETE FROM deadlines WHERE execution = $1
