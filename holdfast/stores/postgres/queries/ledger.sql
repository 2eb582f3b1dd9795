-- name: find_entry
SELECT holder, token, expires_at, result, done_at FROM ledger WHERE name = $1

-- name: lease_entry
INSERT INTO ledger (name, holder, token, expires_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, token = excluded.token, expires_at = excluded.expires_at

-- name: renew_entry
UPDATE ledger SET expires_at = $3 WHERE name = $1 AND token = $2 AND done_at IS NULL AND expires_at > $4

-- name: close_entry
DELETE FROM ledger WHERE name = $1 AND token = $2 AND done_at IS NULL

-- name: finish_entry
INSERT INTO ledger (name, holder, token, result, done_at) VALUES ($1, '', $2, $3, $4)
ON CONFLICT (name) DO UPDATE SET
  token = excluded.token, expires_at = NULL, result = excluded.result, done_at = excluded.done_at

-- name: read_entry
SELECT name, done_at IS NOT NULL, result, done_at, holder FROM ledger WHERE name = $1
