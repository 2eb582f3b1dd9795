-- Children and their parents, and executions that follow one another.

-- name: create_execution
INSERT INTO executions (run_id, number, workflow, status, input_digest, code_version, created_at, ready, parts)
VALUES ($1, $2, $3, 'RUNNING', $4, $5, $6, 1, $7)
ON CONFLICT DO NOTHING
RETURNING id

-- name: newest_work
SELECT id, owner, status, workflow, input_digest, outcome, number, parts FROM executions
WHERE run_id = $1 ORDER BY number DESC LIMIT 1

-- name: put_child
INSERT INTO children (parent, step, child, parent_close) VALUES ($1, $2, $3, $4)

-- name: child_of_step
SELECT child, owner, status FROM children JOIN executions ON executions.id = child
WHERE parent = $1 AND step = $2

-- name: children_of
SELECT child, owner, status, parent_close FROM children JOIN executions ON executions.id = child
WHERE parent = $1 ORDER BY children.id

-- name: drop_children_of
DELETE FROM children WHERE parent = $1

-- name: parents_of
SELECT parent, step FROM children WHERE child = $1 ORDER BY id

-- name: drop_parents_of
DELETE FROM children WHERE child = $1

-- name: execution_work
SELECT run_id, number, workflow, input_digest FROM executions WHERE id = $1

-- name: make_older
UPDATE executions SET newest = 0 WHERE id = $1

-- name: carry_pin
UPDATE executions SET pin = (SELECT pin FROM executions WHERE id = $1) WHERE id = $2

-- name: move_children
UPDATE children SET parent = $2, step = '' WHERE parent = $1

-- name: move_parents
UPDATE children SET child = $2 WHERE child = $1

-- What steps of the execution that ends were answered is not for the steps of the one that follows: those have the
-- same names.
-- name: move_inbox
UPDATE inbox SET execution = $2, owner = NULL
WHERE execution = $1 AND kind IN ('signal', 'cancel', 'terminate')

-- name: drop_answers
DELETE FROM inbox WHERE execution = $1

-- Ids come from the store-wide counter, so the highest are the newest messages'.
-- name: drop_old_delivered
DELETE FROM delivered WHERE execution = $1 AND inbox_id <= (
  SELECT inbox_id FROM delivered WHERE execution = $1 ORDER BY inbox_id DESC LIMIT 1 OFFSET $2
)

-- name: move_delivered
UPDATE delivered SET execution = $2, carried = carried + 1 WHERE execution = $1

-- name: move_requests
UPDATE requests SET execution = $2, owner = NULL WHERE execution = $1 AND answer IS NULL

-- name: add_parts
UPDATE executions SET parts = parts | $2 WHERE id = $1
