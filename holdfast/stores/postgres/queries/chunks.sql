-- name: add_slice
INSERT INTO slices (fan_out, first, items) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[])

-- name: drop_slices
DELETE FROM slices WHERE fan_out = $1

-- name: add_chunk
INSERT INTO chunks (fan_out, first, pending, task, pool, priority, attempt, queued_at, visible_at, state)
SELECT fan_out, first, pending, task, pool, priority, attempt, queued_at, visible_at, state
FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::text[], $5::text[], $6::bigint[], $7::bigint[],
  $8::double precision[], $9::double precision[], $10::smallint[])
  WITH ORDINALITY AS given (fan_out, first, pending, task, pool, priority, attempt, queued_at, visible_at, state, place)
ORDER BY place

-- name: drop_chunk
DELETE FROM chunks WHERE id = $1

-- name: drop_chunks
DELETE FROM chunks WHERE fan_out = $1

-- name: promote_chunks
UPDATE chunks SET state = 1 WHERE id = ANY (ARRAY(
  SELECT id FROM chunks WHERE state = 0 AND visible_at <= $1 ORDER BY visible_at LIMIT $2 FOR UPDATE SKIP LOCKED
))

-- name: claim_chunks
-- The token is drawn when the row is locked, so a later claim of it has the higher one.
UPDATE chunks SET state = 2, owner = $1, token = greatest($2, nextval('tokens')) WHERE id = ANY (ARRAY(
  SELECT id FROM chunks
  WHERE pool = $3 AND state = 1 AND task = ANY (ARRAY(SELECT json_array_elements_text($4::json)))
  ORDER BY priority DESC, id
  LIMIT $5
  FOR UPDATE SKIP LOCKED
))
RETURNING id, priority

-- name: claimed_chunk
SELECT
  chunks.id, chunks.fan_out, fan_outs.execution, executions.run_id, executions.number, fan_outs.step, chunks.task,
  chunks.pool, fan_outs.options, chunks.attempt, chunks.token, chunks.recoveries,
  fan_outs.traceparent, chunks.first, chunks.pending,
  slices.items
FROM chunks
JOIN fan_outs ON fan_outs.id = chunks.fan_out
JOIN executions ON executions.id = fan_outs.execution
JOIN slices ON slices.fan_out = chunks.fan_out AND slices.first = chunks.first
WHERE chunks.id = $1

-- name: held_chunk
SELECT owner, token, fan_out, first, pending, task, pool, priority, attempt, queued_at FROM chunks WHERE id = $1

-- name: keep_pending
UPDATE chunks SET pending = $2 WHERE id = $1

-- name: give_back_chunk
UPDATE chunks SET pending = $2, owner = NULL, state = $3 WHERE id = $1

-- name: fan_out_status
SELECT executions.status FROM fan_outs JOIN executions ON executions.id = fan_outs.execution WHERE fan_outs.id = $1

-- name: free_chunks
UPDATE chunks SET owner = NULL, recoveries = recoveries + $2, state = CASE
  (SELECT status FROM fan_outs JOIN executions ON executions.id = fan_outs.execution WHERE fan_outs.id = chunks.fan_out)
  WHEN 'PAUSED' THEN 3 ELSE 1 END
WHERE owner = $1

-- name: set_aside_poisonous_chunks
UPDATE chunks SET owner = NULL, state = 3, recoveries = recoveries + 1
WHERE owner = $1 AND recoveries >= $2
RETURNING
  (SELECT execution FROM fan_outs WHERE fan_outs.id = chunks.fan_out),
  (SELECT step FROM fan_outs WHERE fan_outs.id = chunks.fan_out),
  task, recoveries

-- name: set_aside_chunks
UPDATE chunks SET state = 3
WHERE state IN (0, 1) AND fan_out IN (SELECT id FROM fan_outs WHERE execution = $1)

-- name: resume_chunks
UPDATE chunks SET state = (visible_at <= $2)::int, recoveries = CASE WHEN $3::smallint <> 0 THEN 0 ELSE recoveries END
WHERE state = 3 AND fan_out IN (SELECT id FROM fan_outs WHERE execution = $1)

-- name: read_chunks
SELECT chunks.id, chunks.pending, chunks.attempt, chunks.recoveries, coalesce(members.name, '')
FROM chunks LEFT JOIN members ON members.member = chunks.owner
WHERE chunks.fan_out = $1 ORDER BY chunks.id
