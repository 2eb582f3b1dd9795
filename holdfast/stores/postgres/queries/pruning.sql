-- Payloads outside pages, and what may go once a run has been over for long.

-- name: put_blob
-- In one order, so that two that store the same ones never wait for each other.
INSERT INTO blobs (digest, content) SELECT * FROM unnest($1::bytea[], $2::bytea[]) AS given (digest, content) ORDER BY digest
ON CONFLICT DO NOTHING

-- name: use_blob
INSERT INTO blob_uses (execution, digest) SELECT * FROM unnest($1::bigint[], $2::bytea[]) ON CONFLICT DO NOTHING

-- name: newest_execution_id
SELECT coalesce(max(id), 0) FROM executions

-- name: prunable
SELECT id FROM executions WHERE id > $1 AND id <= $2 AND closed_at < $3 AND pruned = 0
  AND ($4::smallint <> 0 OR status NOT IN ('FAILED', 'TIMED_OUT') OR captured = status)

-- name: pruned_fan_out
SELECT fan_outs.step FROM fan_outs JOIN executions ON executions.id = fan_outs.execution
WHERE fan_outs.id = $1 AND executions.pruned = 1

-- name: empty_pages
WITH RECURSIVE chain (seq) AS (
  SELECT tip FROM executions WHERE id = $1
  UNION ALL
  SELECT events.previous FROM chain JOIN events ON events.seq = chain.seq WHERE events.previous <> 0
)
UPDATE events SET body = '' WHERE seq = ANY (ARRAY(SELECT seq FROM chain)) AND execution = $1

-- name: drop_outcomes
DELETE FROM outcomes WHERE fan_out IN (SELECT id FROM fan_outs WHERE execution = $1)

-- name: drop_unused_blobs
DELETE FROM blobs WHERE digest IN (
  SELECT digest FROM blob_uses AS mine WHERE execution = $1
    AND NOT EXISTS (SELECT FROM blob_uses AS others WHERE others.digest = mine.digest AND others.execution <> $1)
)

-- name: drop_blob_uses
DELETE FROM blob_uses WHERE execution = $1

-- name: note_pruned
UPDATE executions SET pruned = 1 WHERE id = $1
