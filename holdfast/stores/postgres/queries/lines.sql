-- Lines of queued tasks that wait for something else than a free slot; see migration 0005.

-- name: lock_line
-- Whoever counts here does so alone: it must not change meanwhile.
SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || ' line ' || $1, 0))::text

-- name: lock_lines
SELECT count(pg_advisory_xact_lock(hashtextextended(current_schema() || ' line ' || line, 0)))
FROM unnest($1::text[]) AS given (line)

-- name: touch_lines
INSERT INTO touched_lines (line) SELECT * FROM unnest($1::text[])

-- name: take_touched_lines
DELETE FROM touched_lines WHERE id = ANY (ARRAY(
  SELECT id FROM touched_lines ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
))
RETURNING line

-- name: enqueue_limited_task
-- A step that is queued already is queued anew, and waits anew.
INSERT INTO task_queue (
  execution, step, task, pool, priority, input, options, failures, attempt, queued_at, visible_at, state, progress,
  traceparent, limits, place, fairness, prefix
)
SELECT
  execution, step, task, pool, priority, input, options, failures, attempt, queued_at, visible_at, state, progress,
  traceparent, limits, place, fairness, prefix
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bytea[], $7::bytea[], $8::bytea[],
  $9::bigint[], $10::double precision[], $11::double precision[], $12::smallint[], $13::bytea[], $14::text[],
  $15::bytea[], $16::text[], $17::text[], $18::text[])
  WITH ORDINALITY AS given (execution, step, task, pool, priority, input, options, failures, attempt, queued_at,
    visible_at, state, progress, traceparent, limits, place, fairness, prefix, nth)
ORDER BY nth
ON CONFLICT (execution, step) DO UPDATE SET
  task = excluded.task, pool = excluded.pool, priority = excluded.priority, input = excluded.input,
  options = excluded.options, failures = excluded.failures, attempt = excluded.attempt,
  visible_at = excluded.visible_at, state = excluded.state, owner = NULL, own = 0, token = 0,
  progress = CASE WHEN excluded.progress = '' THEN task_queue.progress ELSE excluded.progress END,
  limits = excluded.limits, place = excluded.place, fairness = excluded.fairness, prefix = excluded.prefix, line = '',
  held = 0

-- name: due_limited_tasks
SELECT id, pool, place, line, limits FROM task_queue
WHERE state = 0 AND visible_at <= $1 AND limits <> ''
ORDER BY visible_at, id
LIMIT $2

-- name: still_due_tasks
SELECT id, pool, priority, fairness, place, held, line, state, visible_at, limits
FROM task_queue
WHERE id = ANY (ARRAY(SELECT json_array_elements_text($1::json)::bigint)) AND state = 0 AND visible_at <= $2
ORDER BY visible_at, id

-- name: first_in_line
SELECT found.* FROM unnest($1::text[], $2::bigint[]) AS given (line, size)
CROSS JOIN LATERAL (
  SELECT id, pool, priority, fairness, place, held, line, state, visible_at, limits
  FROM task_queue
  WHERE task_queue.line = given.line AND task_queue.line <> ''
  ORDER BY priority DESC, turn, id
  LIMIT given.size
) AS found

-- name: stand_in_line
-- Several rows, one behind the other: (id, line, state) of each. A key's rows have rising turns, and so have those at the
-- head of the line: a key that had no row begins there. A row that was claimed before goes to the head, as its turn has
-- been.
WITH joining AS MATERIALIZED (
  SELECT mine.id, given ->> 1 AS line, (given ->> 2)::smallint AS state, mine.priority, mine.fairness,
    mine.token <> 0 AS again, nth
  FROM json_array_elements($1::json) WITH ORDINALITY AS each (given, nth)
  JOIN task_queue AS mine ON mine.id = (given ->> 0)::bigint
)
UPDATE task_queue SET line = numbered.line, state = numbered.state, turn = numbered.turn
FROM (
  SELECT id, line, state, CASE WHEN again THEN head ELSE greatest(head, behind) + ahead END AS turn
  FROM (
    SELECT joining.id, joining.line, joining.state, joining.again,
      row_number() OVER (PARTITION BY line, priority, fairness, again ORDER BY nth) - 1 AS ahead,
      coalesce((
        SELECT min(turn) FROM task_queue AS others
        WHERE others.line = joining.line AND others.line <> '' AND others.priority = joining.priority
      ), 0) AS head,
      coalesce((
        SELECT max(turn) + 1 FROM task_queue AS others
        WHERE others.line = joining.line AND others.line <> '' AND others.priority = joining.priority
          AND others.fairness = joining.fairness
      ), 0) AS behind
    FROM joining
  ) AS placed
) AS numbered
WHERE task_queue.id = numbered.id

-- name: make_tasks_ready
UPDATE task_queue SET line = '', state = 1 WHERE id = ANY (ARRAY(SELECT json_array_elements_text($1::json)::bigint))

-- name: hold_places
-- Who has a place stands in no line for it.
UPDATE task_queue SET held = 1, line = '' WHERE id = ANY (ARRAY(SELECT json_array_elements_text($1::json)::bigint)) AND line <> ''

-- name: weigh_places
-- What is said of just this name goes before what is said of all its keys.
SELECT given.place,
  (SELECT count(*) FROM task_queue WHERE task_queue.place = given.place AND held = 1),
  coalesce(
    (SELECT amount FROM limit_rules WHERE kind = 'concurrency' AND limit_rules.name = given.place),
    (SELECT amount FROM limit_rules WHERE kind = 'concurrency' AND limit_rules.name = given.general)
  )
FROM unnest($1::text[], $2::text[]) AS given (place, general)

-- name: recall_scouts
UPDATE task_queue SET state = 6 FROM unnest($1::text[]) AS given (line)
WHERE task_queue.line = given.line AND task_queue.line <> '' AND state = 0

-- name: post_scout
UPDATE task_queue SET state = 0, visible_at = given.due FROM unnest($1::bigint[], $2::double precision[]) AS given (id, due)
WHERE task_queue.id = given.id

-- name: put_back_in_line
UPDATE task_queue SET owner = NULL, own = 0, state = 6, line = given.line
FROM unnest($1::bigint[], $2::text[]) AS given (id, line)
WHERE task_queue.id = given.id

-- name: limited_tasks_of
SELECT id, place, limits FROM task_queue WHERE execution = $1 AND limits <> ''

-- name: drop_limited_tasks
DELETE FROM task_queue WHERE execution = $1 AND limits <> '' RETURNING id, place, limits

-- name: unqueue_limited_task
DELETE FROM task_queue WHERE execution = $1 AND step = $2 AND limits <> '' RETURNING id, place, limits

-- name: claimable_in_turn
-- And a row of nothing where there are any that have a prefix.
SELECT priority, id, turn FROM (
  SELECT priority, id, turn FROM task_queue
  WHERE line = $1 AND line <> '' AND task = ANY (ARRAY(SELECT json_array_elements_text($2::json)))
  ORDER BY priority DESC, turn, id
  LIMIT $3
  FOR UPDATE SKIP LOCKED
) AS in_turn
UNION ALL
SELECT NULL, NULL, NULL WHERE EXISTS (SELECT FROM task_queue WHERE line = $4 AND line <> '')

-- name: claimable_tasks
SELECT priority, id FROM task_queue
WHERE pool = $1 AND state = 1 AND task = ANY (ARRAY(SELECT json_array_elements_text($2::json)))
ORDER BY priority DESC, id
LIMIT $3
FOR UPDATE SKIP LOCKED

-- name: claim_chosen_tasks
UPDATE task_queue SET state = 2, owner = $1, own = 0, line = '', token = greatest($2, nextval('tokens'))
WHERE id = ANY (ARRAY(
  SELECT id FROM task_queue
  WHERE id = ANY (ARRAY(SELECT json_array_elements_text($3::json)::bigint)) AND state IN (1, 5)
  FOR UPDATE SKIP LOCKED
))
RETURNING
  priority, id, execution,
  (SELECT run_id FROM executions WHERE executions.id = task_queue.execution),
  (SELECT number FROM executions WHERE executions.id = task_queue.execution),
  step, task, input, pool, options, attempt, queued_at, failures, progress, token, recoveries, traceparent, limits

-- name: note_rate
INSERT INTO rates (name, amount, per)
SELECT * FROM unnest($1::text[], $2::double precision[], $3::double precision[])
ON CONFLICT (name) DO UPDATE SET amount = excluded.amount, per = excluded.per
WHERE rates.amount <> excluded.amount OR rates.per <> excluded.per

-- name: freeze_rate
INSERT INTO rates (name, amount, per, frozen_until, frozen_by) VALUES ($1, 0.0, 0.0, $2, $3)
ON CONFLICT (name) DO UPDATE SET frozen_until = excluded.frozen_until, frozen_by = excluded.frozen_by
WHERE rates.frozen_until < excluded.frozen_until

-- name: frozen_until
SELECT frozen_until FROM rates WHERE name = $1

-- name: weigh_rates
-- As with places. What a claim turns from set apart into used is seen as one or the other.
SELECT given.name,
  coalesce(
    (SELECT amount FROM limit_rules WHERE kind = 'rate' AND limit_rules.name = given.name),
    (SELECT amount FROM limit_rules WHERE kind = 'rate' AND limit_rules.name = given.general)
  ),
  rates.amount, rates.per, coalesce(rates.frozen_until, 0.0),
  (SELECT count(*) FROM rate_holds WHERE rate_holds.name = given.name),
  (SELECT coalesce(sum(units), 0.0) FROM rate_holds WHERE rate_holds.name = given.name),
  (SELECT coalesce(sum(units), 0.0) FROM rate_uses WHERE rate_uses.name = given.name AND until > given.now)
FROM unnest($1::text[], $2::text[], $3::double precision[]) AS given (name, general, now)
LEFT JOIN rates ON rates.name = given.name

-- name: rate_uses_after
SELECT until, units FROM rate_uses WHERE name = $1 AND until > $2 ORDER BY until

-- name: put_rate_use
INSERT INTO rate_uses (name, until, units)
SELECT * FROM unnest($1::text[], $2::double precision[], $3::double precision[])
ON CONFLICT (name, until) DO UPDATE SET units = rate_uses.units + excluded.units

-- name: drop_rate_uses
DELETE FROM rate_uses USING unnest($1::text[], $2::double precision[]) AS given (name, now)
WHERE rate_uses.name = given.name AND rate_uses.until <= given.now

-- name: put_rate_hold
INSERT INTO rate_holds (name, task, units) SELECT * FROM unnest($1::text[], $2::bigint[], $3::double precision[])
ON CONFLICT (name, task) DO NOTHING

-- name: drop_rate_hold
DELETE FROM rate_holds USING unnest($1::bigint[]) AS given (task) WHERE rate_holds.task = given.task

-- name: read_lines
SELECT line, count(*) FROM task_queue WHERE line <> '' GROUP BY line ORDER BY line

-- name: read_places
SELECT place, executions.run_id, executions.number, step, coalesce(members.name, ''), limits
FROM task_queue
JOIN executions ON executions.id = task_queue.execution
LEFT JOIN members ON members.member = task_queue.owner
WHERE held = 1
ORDER BY place, task_queue.id
LIMIT $1

-- name: read_rates
SELECT name, amount, per, frozen_until, frozen_by,
  (SELECT coalesce(sum(units), 0.0) FROM rate_uses WHERE rate_uses.name = rates.name AND until > $1),
  (SELECT coalesce(sum(units), 0.0) FROM rate_holds WHERE rate_holds.name = rates.name)
FROM rates ORDER BY name

-- name: put_limit_rule
INSERT INTO limit_rules (kind, name, amount, changed_by, changed_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (kind, name) DO UPDATE
SET amount = excluded.amount, changed_by = excluded.changed_by, changed_at = excluded.changed_at

-- name: drop_limit_rule
DELETE FROM limit_rules WHERE kind = $1 AND name = $2

-- name: read_limit_rules
SELECT kind, name, amount, changed_by FROM limit_rules ORDER BY kind, name

-- name: lines_named
SELECT DISTINCT line FROM task_queue
WHERE line <> '' AND (line = $1 OR substr(line, 1, length($2)) = $2) ORDER BY line
