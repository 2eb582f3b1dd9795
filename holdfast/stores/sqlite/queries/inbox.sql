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
UPDATE executions SET ready = 1 WHERE id = ?1 AND starts_at = 0

-- name: drop_read_inbox
DELETE FROM inbox WHERE execution = ?1 AND id <= ?2

-- name: drop_inbox
DELETE FROM inbox WHERE execution = ?1

-- name: drop_delivered
DELETE FROM delivered WHERE execution = ?1

-- name: own_inbox
UPDATE inbox SET owner = ?2 WHERE execution = ?1

-- name: disown_inbox
UPDATE inbox SET owner = NULL WHERE execution = ?1 AND owner IS NOT NULL

-- name: disown_inboxes_of
UPDATE inbox SET owner = NULL WHERE owner = ?1

-- name: read_member_inbox
SELECT * FROM (
  SELECT id, execution, kind, name, body, operation_id, sender, received_at
  FROM inbox WHERE owner = ?1 ORDER BY id
)
UNION ALL
SELECT 0, execution, 'taken', '', x'', '', '', 0.0 FROM taken WHERE member = ?1

-- name: read_execution_inbox
SELECT id, execution, kind, name, body, operation_id, sender, received_at
FROM inbox WHERE execution = ?1 ORDER BY id
