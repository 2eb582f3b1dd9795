-- What requests to language models used and cost, and the budgets they are paid from.

-- name: find_model_call
SELECT workflow, lapses_at, lost, budgets, counted_usd, counted_tokens FROM model_calls WHERE call = ?1

-- name: workflow_of_run
SELECT workflow FROM executions WHERE run_id = ?1 ORDER BY number DESC LIMIT 1

-- name: put_model_call
INSERT INTO model_calls (
  call, run_id, workflow, step, attempt, model, prefix, prefix_name, asked_at, lapses_at, lost, budgets,
  counted_usd, counted_tokens
) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0, ?11, ?12, ?13)

-- name: lapsed_model_calls
SELECT call, workflow, model, prefix, prefix_name, budgets, counted_usd, counted_tokens FROM model_calls
WHERE lapses_at <= ?1 ORDER BY lapses_at LIMIT ?2

-- name: lose_model_call
UPDATE model_calls SET lapses_at = NULL, lost = 1 WHERE call = ?1

-- name: settle_model_call
UPDATE model_calls SET lapses_at = NULL, lost = 0, counted_usd = ?2, counted_tokens = ?3, input_tokens = ?4,
  cache_read_tokens = ?5, cache_write_tokens = ?6, output_tokens = ?7, paid = ?8, uncached = ?9
WHERE call = ?1

-- name: add_model_day
INSERT INTO model_days (
  day, workflow, model, prefix, prefix_name, requests, lost, unpriced, input_tokens, cache_read_tokens,
  cache_write_tokens, output_tokens, paid, uncached
) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
ON CONFLICT (day, workflow, model, prefix) DO UPDATE SET
  prefix_name = excluded.prefix_name,
  requests = model_days.requests + excluded.requests,
  lost = model_days.lost + excluded.lost,
  unpriced = model_days.unpriced + excluded.unpriced,
  input_tokens = coalesce(model_days.input_tokens + excluded.input_tokens, model_days.input_tokens, excluded.input_tokens),
  cache_read_tokens = coalesce(model_days.cache_read_tokens + excluded.cache_read_tokens, model_days.cache_read_tokens,
    excluded.cache_read_tokens),
  cache_write_tokens = coalesce(model_days.cache_write_tokens + excluded.cache_write_tokens,
    model_days.cache_write_tokens, excluded.cache_write_tokens),
  output_tokens = coalesce(model_days.output_tokens + excluded.output_tokens, model_days.output_tokens,
    excluded.output_tokens),
  paid = coalesce(model_days.paid + excluded.paid, model_days.paid, excluded.paid),
  uncached = coalesce(model_days.uncached + excluded.uncached, model_days.uncached, excluded.uncached)

-- name: read_budget
SELECT limit_usd, limit_tokens, spent_usd, spent_tokens, held_usd, held_tokens, granted_usd, granted_tokens
FROM budgets WHERE name = ?1 AND per = ?2 AND scope = ?3

-- name: hold_budget
INSERT INTO budgets (
  name, per, scope, limit_usd, limit_tokens, held_usd, held_tokens, spent_usd, spent_tokens, granted_usd, granted_tokens
) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, 0, 0, 0)
ON CONFLICT (per, scope, name) DO UPDATE SET limit_usd = excluded.limit_usd, limit_tokens = excluded.limit_tokens,
  held_usd = budgets.held_usd + excluded.held_usd, held_tokens = budgets.held_tokens + excluded.held_tokens

-- name: spend_budget
UPDATE budgets SET held_usd = held_usd - ?4, held_tokens = held_tokens - ?5, spent_usd = spent_usd + ?6,
  spent_tokens = spent_tokens + ?7
WHERE name = ?1 AND per = ?2 AND scope = ?3

-- name: grant_budget
UPDATE budgets SET granted_usd = granted_usd + ?4, granted_tokens = granted_tokens + ?5
WHERE name = ?1 AND per = ?2 AND scope = ?3

-- name: parked_for
SELECT id FROM executions WHERE status = 'PARKED' AND newest = 1 AND parked = ?1 ORDER BY id LIMIT ?2

-- name: read_budgets
SELECT name, per, scope, limit_usd, limit_tokens, spent_usd, spent_tokens, held_usd, held_tokens, granted_usd,
  granted_tokens
FROM budgets ORDER BY name, per, scope DESC LIMIT ?1

-- name: budgets_of
SELECT name, per, scope, limit_usd, limit_tokens, spent_usd, spent_tokens, held_usd, held_tokens, granted_usd,
  granted_tokens
FROM budgets WHERE per IN ('run', 'workflow', 'day') AND scope = ?1 ORDER BY name, per

-- name: usage_by_day
SELECT day, '', sum(requests), sum(lost), sum(unpriced), sum(input_tokens), sum(cache_read_tokens),
  sum(cache_write_tokens), sum(output_tokens), sum(paid), sum(uncached)
FROM model_days WHERE day >= ?1 GROUP BY day ORDER BY day

-- name: usage_by_workflow
SELECT workflow, '', sum(requests), sum(lost), sum(unpriced), sum(input_tokens), sum(cache_read_tokens),
  sum(cache_write_tokens), sum(output_tokens), sum(paid), sum(uncached)
FROM model_days WHERE day >= ?1 GROUP BY workflow ORDER BY workflow

-- name: usage_by_model
SELECT model, '', sum(requests), sum(lost), sum(unpriced), sum(input_tokens), sum(cache_read_tokens),
  sum(cache_write_tokens), sum(output_tokens), sum(paid), sum(uncached)
FROM model_days WHERE day >= ?1 GROUP BY model ORDER BY model

-- name: usage_by_prefix
SELECT prefix, max(prefix_name), sum(requests), sum(lost), sum(unpriced), sum(input_tokens), sum(cache_read_tokens),
  sum(cache_write_tokens), sum(output_tokens), sum(paid), sum(uncached)
FROM model_days WHERE day >= ?1 AND prefix <> '' GROUP BY prefix ORDER BY prefix

-- name: usage_by_step
SELECT step, '', count(*) FILTER (WHERE lapses_at IS NULL AND lost = 0), sum(lost),
  count(*) FILTER (WHERE lapses_at IS NULL AND lost = 0 AND paid IS NULL),
  sum(input_tokens), sum(cache_read_tokens), sum(cache_write_tokens), sum(output_tokens), sum(paid), sum(uncached)
FROM model_calls WHERE run_id = ?1 GROUP BY step ORDER BY min(id)

-- name: drop_model_call
DELETE FROM model_calls WHERE call = ?1

-- name: drop_model_calls
DELETE FROM model_calls WHERE run_id = (SELECT run_id FROM executions WHERE id = ?1 AND newest = 1)

-- name: drop_budgets
DELETE FROM budgets WHERE per = 'run' AND scope = (SELECT run_id FROM executions WHERE id = ?1 AND newest = 1)
