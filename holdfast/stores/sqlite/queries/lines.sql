-- Lines of queued tasks that wait for something else than a free slot; see migration 0020.

-- name: lock_line
-- Whoever counts here does so alone, as everybody writes alone.
SELECT ?1;

-- name: lock_lines
SELECT ?1;

-- name: touch_lines
INSERT INTO touched_lines (line) VALUES (?1);

-- name: take_touched_lines
DELETE FROM touched_lines WHERE id IN (SELECT id FROM touched_lines ORDER BY id LIMIT ?1) RETURNING line;

-- name: enqueue_limited_task
-- A step that is queued already is queued anew, and waits anew.
INSERT INTO task_queue (
  execution, step, task, pool, priority, input, options, failures, attempt, queued_at, visible_at, state, progress,
  traceparent, limits, place, fairness, prefix
) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)
ON CONFLICT (execution, step) DO UPDATE SET
  task = excluded.task, pool = excluded.pool, priority = excluded.priority, input = excluded.input,
  options = excluded.options, failures = excluded.failures, attempt = excluded.attempt,
  visible_at = excluded.visible_at, state = excluded.state, owner = NULL, own = 0, token = 0,
  progress = iif(excluded.progress = x'', progress, excluded.progress),
  limits = excluded.limits, place = excluded.place, fairness = excluded.fairness, prefix = excluded.prefix, line = '',
  held = 0;

-- name: due_limited_tasks
SELECT id, pool, place, line, limits FROM task_queue
WHERE state = 0 AND visible_at <= ?1 AND limits <> x''
ORDER BY visible_at, id
LIMIT ?2;

-- name: still_due_tasks
SELECT id, pool, priority, fairness, place, held, line, state, visible_at, limits
FROM task_queue
WHERE id IN (SELECT value FROM json_each(?1)) AND state = 0 AND visible_at <= ?2
ORDER BY visible_at, id;

-- name: first_in_line
SELECT id, pool, priority, fairness, place, held, line, state, visible_at, limits
FROM task_queue
WHERE line = ?1 AND line <> ''
ORDER BY priority DESC, turn, id
LIMIT ?2;

-- name: stand_in_line
-- Several rows, one behind the other: (id, line, state) of each. A key's rows have rising turns, and so have those at the
-- head of the line: a key that had no row begins there. A row that was claimed before goes to the head, as its turn has
-- been.
WITH joining AS (
  SELECT mine.id, given.value ->> 1 AS line, given.value ->> 2 AS state, mine.priority, mine.fairness,
    mine.token <> 0 AS again, given.key AS nth
  FROM json_each(?1) AS given CROSS JOIN task_queue AS mine ON mine.id = given.value ->> 0
)
UPDATE task_queue SET line = numbered.line, state = numbered.state, turn = numbered.turn
FROM (
  SELECT id, line, state, iif(again, head, max(head, behind) + ahead) AS turn
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
  )
) AS numbered
WHERE task_queue.id = numbered.id;

-- name: make_tasks_ready
UPDATE task_queue SET line = '', state = 1 WHERE id IN (SELECT value FROM json_each(?1));

-- name: hold_places
-- Who has a place stands in no line for it.
UPDATE task_queue SET held = 1, line = '' WHERE id IN (SELECT value FROM json_each(?1)) AND line <> '';

-- name: weigh_places
-- What is said of just this name goes before what is said of all its keys.
SELECT ?1,
  (SELECT count(*) FROM task_queue WHERE place = ?1 AND held = 1),
  coalesce(
    (SELECT amount FROM limit_rules WHERE kind = 'concurrency' AND name = ?1),
    (SELECT amount FROM limit_rules WHERE kind = 'concurrency' AND name = ?2)
  );

-- name: recall_scouts
UPDATE task_queue SET state = 6 WHERE line = ?1 AND line <> '' AND state = 0;

-- name: post_scout
UPDATE task_queue SET state = 0, visible_at = ?2 WHERE id = ?1;

-- name: put_back_in_line
UPDATE task_queue SET owner = NULL, own = 0, state = 6, line = ?2 WHERE id = ?1;

-- name: limited_tasks_of
SELECT id, place, limits FROM task_queue WHERE execution = ?1 AND limits <> x'';

-- name: drop_limited_tasks
DELETE FROM task_queue WHERE execution = ?1 AND limits <> x'' RETURNING id, place, limits;

-- name: unqueue_limited_task
DELETE FROM task_queue WHERE execution = ?1 AND step = ?2 AND limits <> x'' RETURNING id, place, limits;

-- name: claimable_in_turn
-- And a row of nothing where there are any that have a prefix.
SELECT * FROM (
  SELECT priority, id, turn FROM task_queue
  WHERE line = ?1 AND line <> '' AND task IN (SELECT value FROM json_each(?2))
  ORDER BY priority DESC, turn, id
  LIMIT ?3
)
UNION ALL
SELECT NULL, NULL, NULL WHERE EXISTS (SELECT 1 FROM task_queue WHERE line = ?4 AND line <> '');

-- name: claimable_tasks
SELECT priority, id FROM task_queue
WHERE pool = ?1 AND state = 1 AND task IN (SELECT value FROM json_each(?2))
ORDER BY priority DESC, id
LIMIT ?3;

-- name: claim_chosen_tasks
UPDATE task_queue SET state = 2, owner = ?1, own = 0, token = ?2, line = ''
WHERE id IN (SELECT value FROM json_each(?3)) AND state IN (1, 5)
RETURNING
  priority, id, execution,
  (SELECT run_id FROM executions WHERE executions.id = task_queue.execution),
  (SELECT number FROM executions WHERE executions.id = task_queue.execution),
  step, task, input, pool, options, attempt, queued_at, failures, progress, token, recoveries, traceparent, limits;

-- name: note_rate
INSERT INTO rates (name, amount, per) VALUES (?1, ?2, ?3)
ON CONFLICT (name) DO UPDATE SET amount = excluded.amount, per = excluded.per
WHERE amount <> excluded.amount OR per <> excluded.per;

-- name: freeze_rate
INSERT INTO rates (name, amount, per, frozen_until, frozen_by) VALUES (?1, 0.0, 0.0, ?2, ?3)
ON CONFLICT (name) DO UPDATE SET frozen_until = excluded.frozen_until, frozen_by = excluded.frozen_by
WHERE frozen_until < excluded.frozen_until;

-- name: frozen_until
SELECT frozen_until FROM rates WHERE name = ?1;

-- name: weigh_rates
-- As with places. What a claim turns from set apart into used is seen as one or the other.
SELECT ?1,
  coalesce(
    (SELECT amount FROM limit_rules WHERE kind = 'rate' AND limit_rules.name = ?1),
    (SELECT amount FROM limit_rules WHERE kind = 'rate' AND limit_rules.name = ?2)
  ),
  (SELECT rates.amount FROM rates WHERE name = ?1),
  (SELECT per FROM rates WHERE name = ?1),
  coalesce((SELECT frozen_until FROM rates WHERE name = ?1), 0.0),
  (SELECT count(*) FROM rate_holds WHERE rate_holds.name = ?1),
  (SELECT coalesce(sum(units), 0.0) FROM rate_holds WHERE rate_holds.name = ?1),
  (SELECT coalesce(sum(units), 0.0) FROM rate_uses WHERE rate_uses.name = ?1 AND until > ?3);

-- name: rate_uses_after
SELECT until, units FROM rate_uses WHERE name = ?1 AND until > ?2 ORDER BY until;

-- name: put_rate_use
INSERT INTO rate_uses (name, until, units) VALUES (?1, ?2, ?3)
ON CONFLICT (name, until) DO UPDATE SET units = units + excluded.units;

-- name: drop_rate_uses
DELETE FROM rate_uses WHERE name = ?1 AND until <= ?2;

-- name: put_rate_hold
INSERT INTO rate_holds (name, task, units) VALUES (?1, ?2, ?3) ON CONFLICT (name, task) DO NOTHING;

-- name: drop_rate_hold
DELETE FROM rate_holds WHERE task = ?1;

-- name: read_lines
SELECT line, count(*) FROM task_queue WHERE line <> '' GROUP BY line ORDER BY line;

-- name: read_places
SELECT place, executions.run_id, executions.number, step, coalesce(members.name, ''), limits
FROM task_queue
JOIN executions ON executions.id = task_queue.execution
LEFT JOIN members ON members.member = task_queue.owner
WHERE held = 1
ORDER BY place, task_queue.id
LIMIT ?1;

-- name: read_rates
SELECT name, amount, per, frozen_until, frozen_by,
  (SELECT coalesce(sum(units), 0.0) FROM rate_uses WHERE rate_uses.name = rates.name AND until > ?1),
  (SELECT coalesce(sum(units), 0.0) FROM rate_holds WHERE rate_holds.name = rates.name)
FROM rates ORDER BY name;

-- name: put_limit_rule
INSERT INTO limit_rules (kind, name, amount, changed_by, changed_at) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (kind, name) DO UPDATE
SET amount = excluded.amount, changed_by = excluded.changed_by, changed_at = excluded.changed_at;

-- name: drop_limit_rule
DELETE FROM limit_rules WHERE kind = ?1 AND name = ?2;

-- name: read_limit_rules
SELECT kind, name, amount, changed_by FROM limit_rules ORDER BY kind, name;

-- name: lines_named
SELECT DISTINCT line FROM task_queue
WHERE line <> '' AND (line = ?1 OR substr(line, 1, length(?2)) = ?2) ORDER BY line;
