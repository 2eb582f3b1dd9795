-- Requests that are carried out once.

-- name: find_idempotency
SELECT id, fingerprint, run_id, noted_at, claimed_until, execution, created, answer FROM idempotency
WHERE caller = $1 AND key = $2

-- name: put_idempotency
INSERT INTO idempotency (caller, key, fingerprint, run_id, noted_at, claimed_until, execution, created)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)

-- name: settle_idempotency
UPDATE idempotency SET claimed_until = 0.0, answer = $3 WHERE caller = $1 AND key = $2 AND claimed_until > 0.0

-- name: unclaim_idempotency
DELETE FROM idempotency WHERE caller = $1 AND key = $2 AND claimed_until > 0.0

-- name: drop_idempotency
DELETE FROM idempotency WHERE id = $1

-- name: closing_of_run
SELECT closed_at FROM executions WHERE id = $1

-- name: oldest_idempotency
SELECT id, run_id, noted_at FROM idempotency WHERE id > $1 ORDER BY id LIMIT $2
