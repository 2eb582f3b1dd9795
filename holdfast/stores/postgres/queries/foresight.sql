-- What a batch asks at once, before its operations are carried out. See holdfast/stores/postgres/foresight.py.

-- Ids are given in the order in which the runs were started, and the rows made in the order of their run ids: two batches
-- that start the same runs wait for one another, and not in a circle.
-- name: start_executions
WITH numbered AS MATERIALIZED (
  SELECT nextval('executions_id_seq') AS id, n.*
  FROM unnest($1::text[], $2::text[], $3::bytea[], $4::text[], $5::double precision[], $6::bigint[], $7::smallint[])
    AS n (run_id, workflow, digest, version, at, owner, ready)
)
INSERT INTO executions (id, run_id, number, workflow, status, input_digest, code_version, created_at, owner, ready)
OVERRIDING SYSTEM VALUE
SELECT id, run_id, 1, workflow, 'RUNNING', digest, version, at, owner, ready FROM numbered ORDER BY run_id
ON CONFLICT DO NOTHING
RETURNING run_id, id

-- name: newest_executions
SELECT n.run_id, e.id
FROM unnest($1::text[]) AS n (run_id)
CROSS JOIN LATERAL (SELECT id FROM executions WHERE run_id = n.run_id ORDER BY number DESC LIMIT 1) AS e

-- In the order of their ids: two batches that lock the same ones wait for one another, and not in a circle.
-- name: lock_executions
SELECT id, owner, ready, status FROM executions WHERE id = ANY (SELECT unnest($1::bigint[])) ORDER BY id

-- name: executions_of_chunks
SELECT DISTINCT fan_outs.execution FROM chunks JOIN fan_outs ON fan_outs.id = chunks.fan_out
WHERE chunks.id = ANY (SELECT unnest($1::bigint[]))

-- By their ids, as in `begin_work`.
-- name: finish_tasks
DELETE FROM task_queue USING unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS n (id, token, owner)
WHERE task_queue.id = n.id AND task_queue.token = n.token AND task_queue.owner IS NOT DISTINCT FROM n.owner
RETURNING task_queue.id, task_queue.token, execution, step, place,
  EXISTS (SELECT 1 FROM pools WHERE pools.name = task_queue.pool AND slots IS NOT NULL)::int

-- name: finish_own_tasks
DELETE FROM task_queue USING unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[]) AS n (execution, step, attempt, owner)
WHERE task_queue.execution = n.execution AND task_queue.step = n.step AND task_queue.attempt = n.attempt
  AND task_queue.owner IS NOT DISTINCT FROM n.owner AND own = 1
RETURNING task_queue.execution, task_queue.step, task_queue.attempt, task_queue.id

-- name: find_all_delivered
SELECT d.execution, d.operation_id, d.inbox_id
FROM unnest($1::bigint[], $2::text[]) AS n (execution, operation_id)
JOIN delivered AS d ON d.execution = n.execution AND d.operation_id = n.operation_id

-- The first row is asked for, and not whether there is any: for that all of both tables are hashed.
-- name: look_before_all_closing
SELECT n.execution, n.mail_read,
       EXISTS (SELECT FROM inbox WHERE inbox.execution = n.execution AND id > n.mail_read),
       coalesce(
         (SELECT true FROM inbox WHERE inbox.execution = n.execution LIMIT 1),
         (SELECT true FROM delivered WHERE delivered.execution = n.execution LIMIT 1),
         false
       )
FROM unnest($1::bigint[], $2::bigint[]) AS n (execution, mail_read)

-- name: draw_tokens
SELECT nextval('tokens') FROM generate_series(1, $1::integer) ORDER BY 1
