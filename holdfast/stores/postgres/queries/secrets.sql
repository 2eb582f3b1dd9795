-- Secrets of the store.

-- name: keep_secret
INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING

-- name: read_secret
SELECT value FROM secrets WHERE name = $1
