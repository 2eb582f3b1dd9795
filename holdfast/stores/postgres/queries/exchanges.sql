-- name: put_exchanges
INSERT INTO exchanges (execution, step, body) VALUES ($1, $2, $3)
ON CONFLICT (execution, step) DO UPDATE SET body = excluded.body

-- name: read_exchanges
SELECT step, body FROM exchanges WHERE execution = $1 ORDER BY step

-- name: drop_exchanges
DELETE FROM exchanges WHERE execution = $1
