-- What webhooks were sent.

-- name: find_delivery
SELECT id, digest, state, run_id, reason FROM deliveries WHERE webhook = $1 AND key = $2 AND state <> 'refused'

-- name: find_delivery_of_body
SELECT key FROM deliveries
WHERE webhook = $1 AND state <> 'refused' AND key <> $2 AND digest = $3 LIMIT 1

-- name: put_delivery
INSERT INTO deliveries (id, webhook, key, digest, state, reason, event, received_at, decided_at, run_id, body_bytes,
  headers, body)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9, $10, $11, $12)

-- name: decide_delivery
UPDATE deliveries SET state = $2, reason = $3, run_id = $4, decided_at = $5, attempts = attempts + $6::bigint WHERE id = $1

-- name: drop_refused_deliveries
DELETE FROM deliveries WHERE state = 'refused' AND id <= (
  SELECT id FROM deliveries WHERE state = 'refused' ORDER BY id DESC LIMIT 1 OFFSET $1
)

-- name: prune_deliveries
-- Ids rise with the time.
DELETE FROM deliveries WHERE id = ANY (ARRAY(SELECT id FROM deliveries ORDER BY id LIMIT $2)) AND received_at < $1

-- name: list_deliveries
SELECT id, webhook, key, state, reason, event, received_at, decided_at, attempts, run_id, body_bytes
FROM deliveries
WHERE id < $1 AND ($2::text IS NULL OR webhook = $2) AND ($3::text IS NULL OR state = $3) AND ($4::text IS NULL OR run_id = $4)
  AND ($5::double precision IS NULL OR received_at >= $5) AND ($6::double precision IS NULL OR received_at < $6)
ORDER BY id DESC LIMIT $7

-- name: read_delivery
SELECT id, webhook, key, state, reason, event, received_at, decided_at, attempts, run_id, body_bytes, headers, body
FROM deliveries WHERE id = $1
