-- Messages to executions.

-- name: find_delivered
SELECT inbox_id FROM delivered WHERE execution = ?1 AND operation_id = ?2

-- name: put_delivered
INSERT INTO delivered (execution, operation_id, inbox_id) VALUES (?1, ?2, ?3)

-- name: put_inbox
INSERT INTO inbox (execution, id, owner, kind, name, body, operation_id, sender, received_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)

-- name: find_addressee
SELECT owner, ready, status FROM executions WHERE id = ?1

-- name: make_ready
UPDATE executions SET ready = 1 WHERE id = ?1
