-- Lines of queued tasks that wait for something else than a free slot; see migration 0005.

-- name: lock_line
-- Whoever lets others through a line does so alone: what is counted there must not change meanwhile.
SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || ' line ' || $1, 0))::text

-- name: set_limits
UPDATE task_queue SET limits = $3, place = $4, fairness = $5, line = '', held = 0, state = 0
WHERE execution = $1 AND step = $2
RETURNING id

-- name: read_limited_task
SELECT id, pool, priority, fairness, place, held, line, state, visible_at, limits FROM task_queue WHERE id = $1

-- name: first_in_line
SELECT id, pool, priority, fairness, place, held, line, state, visible_at, limits
FROM task_queue
WHERE line = $1 AND line <> ''
ORDER BY priority DESC, turn, id
LIMIT 1

-- name: stand_in_line
-- A key's rows have rising turns, and so have those at the head of the line: a key that had no row begins there. A row
-- that was claimed before goes to the head, as its turn has been.
UPDATE task_queue AS mine SET line = $2, state = $3, turn = greatest(
  coalesce((
    SELECT min(turn) FROM task_queue AS others
    WHERE others.line = $2 AND others.line <> '' AND others.priority = mine.priority
  ), 0),
  coalesce((
    SELECT max(turn) + 1 FROM task_queue AS others
    WHERE others.line = $2 AND others.line <> '' AND others.priority = mine.priority
      AND others.fairness = mine.fairness AND mine.token = 0
  ), 0)
)
WHERE id = $1

-- name: make_task_ready
UPDATE task_queue SET line = '', state = 1 WHERE id = $1

-- name: hold_place
UPDATE task_queue SET held = 1 WHERE id = $1

-- name: count_places
SELECT count(*) FROM (SELECT 1 FROM task_queue WHERE place = $1 AND held = 1 LIMIT $2) AS held

-- name: recall_scouts
UPDATE task_queue SET state = 6 WHERE line = $1 AND line <> '' AND state = 0

-- name: post_scout
UPDATE task_queue SET state = 0, visible_at = $2 WHERE id = $1

-- name: put_back_in_line
UPDATE task_queue SET owner = NULL, own = 0, state = 6, line = $2 WHERE id = $1

-- name: limited_tasks_of
SELECT id, place, limits FROM task_queue WHERE execution = $1 AND limits <> ''

-- name: unqueue_limited_task
DELETE FROM task_queue WHERE execution = $1 AND step = $2 AND limits <> '' RETURNING id, place, limits

-- name: claimable_in_turn
SELECT priority, id FROM task_queue
WHERE line = $1 AND line <> '' AND task = ANY (ARRAY(SELECT json_array_elements_text($2::json)))
ORDER BY priority DESC, turn, id
LIMIT $3
FOR UPDATE SKIP LOCKED

-- name: claimable_tasks
SELECT priority, id FROM task_queue
WHERE pool = $1 AND state = 1 AND task = ANY (ARRAY(SELECT json_array_elements_text($2::json)))
ORDER BY priority DESC, id
LIMIT $3
FOR UPDATE SKIP LOCKED

-- name: claim_chosen_tasks
UPDATE task_queue SET state = 2, owner = $1, own = 0, line = '', token = greatest($2, nextval('tokens'))
WHERE id = ANY (ARRAY(SELECT json_array_elements_text($3::json)::bigint))
RETURNING
  priority, id, execution,
  (SELECT run_id FROM executions WHERE executions.id = task_queue.execution),
  (SELECT number FROM executions WHERE executions.id = task_queue.execution),
  step, task, input, pool, options, attempt, queued_at, failures, progress, token, recoveries, traceparent, limits

-- name: note_rate
INSERT INTO rates (name, amount, per) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET amount = excluded.amount, per = excluded.per
WHERE rates.amount <> excluded.amount OR rates.per <> excluded.per

-- name: freeze_rate
INSERT INTO rates (name, amount, per, frozen_until, frozen_by) VALUES ($1, 0.0, 0.0, $2, $3)
ON CONFLICT (name) DO UPDATE SET frozen_until = excluded.frozen_until, frozen_by = excluded.frozen_by
WHERE rates.frozen_until < excluded.frozen_until

-- name: frozen_until
SELECT frozen_until FROM rates WHERE name = $1

-- name: rate_used
SELECT coalesce(sum(units), 0.0) FROM rate_uses WHERE name = $1 AND until > $2

-- name: rate_held
SELECT count(*), coalesce(sum(units), 0.0) FROM rate_holds WHERE name = $1

-- name: rate_uses_after
SELECT until, units FROM rate_uses WHERE name = $1 AND until > $2 ORDER BY until

-- name: put_rate_use
INSERT INTO rate_uses (name, until, units) VALUES ($1, $2, $3)
ON CONFLICT (name, until) DO UPDATE SET units = rate_uses.units + excluded.units

-- name: drop_rate_uses
DELETE FROM rate_uses WHERE name = $1 AND until <= $2

-- name: put_rate_hold
INSERT INTO rate_holds (name, task, units) VALUES ($1, $2, $3)

-- name: drop_rate_holds
DELETE FROM rate_holds WHERE task = $1

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

-- name: limit_rule
-- What is said of just this name goes before what is said of all its keys.
SELECT coalesce(
  (SELECT amount FROM limit_rules WHERE kind = $1 AND name = $2),
  (SELECT amount FROM limit_rules WHERE kind = $1 AND name = $3)
)

-- name: read_limit_rules
SELECT kind, name, amount, changed_by FROM limit_rules ORDER BY kind, name

-- name: lines_named
SELECT DISTINCT line FROM task_queue
WHERE line <> '' AND (line = $1 OR substr(line, 1, length($2)) = $2) ORDER BY line
