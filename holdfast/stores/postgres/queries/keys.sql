-- name: find_key
SELECT name, key_hash, scopes, expires_at, workflows, rate_limit, revoked_at FROM api_keys WHERE name = $1
UNION
SELECT name, key_hash, scopes, expires_at, workflows, rate_limit, revoked_at FROM api_keys WHERE key_hash = $2

-- name: put_key
INSERT INTO api_keys (name, key_hash, scopes, created_at, expires_at, workflows, rate_limit)
VALUES ($1, $2, $3, $4, $5, $6, $7)

-- name: rotate_key
UPDATE api_keys SET old_hash = key_hash, old_until = $3, key_hash = $2 WHERE name = $1

-- name: note_key_use
UPDATE api_keys SET last_used_at = greatest(last_used_at, used.at)
FROM (SELECT name, max(at) FROM unnest($1::text[], $2::double precision[]) AS given (name, at) GROUP BY name) AS used (name, at)
WHERE api_keys.name = used.name

-- name: revoke_key
UPDATE api_keys SET revoked_at = coalesce(revoked_at, $2) WHERE name = $1

-- name: read_keys
SELECT name, key_hash, scopes, created_at, expires_at, revoked_at IS NOT NULL,
  workflows, rate_limit, last_used_at, old_hash, old_until FROM api_keys ORDER BY name
