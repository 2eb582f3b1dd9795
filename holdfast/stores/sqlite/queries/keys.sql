-- name: find_key
SELECT name, key_hash, scopes, expires_at, revoked_at FROM api_keys WHERE name = ?1 OR key_hash = ?2;

-- name: put_key
INSERT INTO api_keys (name, key_hash, scopes, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5);

-- name: revoke_key
UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?2) WHERE name = ?1;

-- name: read_keys
SELECT name, key_hash, scopes, created_at, expires_at, revoked_at IS NOT NULL FROM api_keys ORDER BY name;
