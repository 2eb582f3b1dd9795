-- Messages to executions.

-- name: find_delivered
SELECT inbox_id FROM delivered WHERE execution = $1 AND operation_id = $2

-- name: put_delivered
INSERT INTO delivered (execution, operation_id, inbox_id) SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[])

-- name: put_inbox
INSERT INTO inbox (execution, id, owner, kind, name, body, operation_id, sender, received_at)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::bytea[], $7::text[],
  $8::text[], $9::double precision[])

-- name: find_addressee
-- Whoever delivers to an execution takes turns, and takes an id inside of its turn: ids of one execution become visible
-- in order. Whoever closes it takes its turn, too: see look_before_closing.
SELECT owner, ready, status FROM executions WHERE id = $1 FOR NO KEY UPDATE

-- name: make_ready
UPDATE executions SET ready = 1 WHERE id = ANY (SELECT unnest($1::bigint[])) AND starts_at = 0

-- name: drop_read_inbox
DELETE FROM inbox USING unnest($1::bigint[], $2::bigint[]) AS given (execution, id)
WHERE inbox.execution = given.execution AND inbox.id <= given.id

-- name: drop_inbox
DELETE FROM inbox WHERE execution = ANY (SELECT unnest($1::bigint[]))

-- name: drop_delivered
DELETE FROM delivered WHERE execution = ANY (SELECT unnest($1::bigint[]))

-- name: own_inbox
UPDATE inbox SET owner = given.owner FROM unnest($1::bigint[], $2::bigint[]) AS given (execution, owner)
WHERE inbox.execution = given.execution

-- name: disown_inbox
UPDATE inbox SET owner = NULL WHERE execution = $1 AND owner IS NOT NULL

-- name: disown_inboxes_of
UPDATE inbox SET owner = NULL WHERE owner = $1

-- name: read_member_inbox
SELECT * FROM (
  SELECT id, execution, kind, name, body, operation_id, sender, received_at
  FROM inbox WHERE owner = $1 ORDER BY id
) AS mail
UNION ALL
SELECT 0, execution, 'taken', '', '', '', '', 0.0 FROM taken WHERE member = $1

-- name: read_execution_inbox
SELECT id, execution, kind, name, body, operation_id, sender, received_at
FROM inbox WHERE execution = $1 ORDER BY id
