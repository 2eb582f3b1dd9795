-- name: join_line
INSERT INTO lock_places (name, slots, execution, holder, since, expires_at) VALUES ($1, $2, $3, $4, $5, $6)
RETURNING id

-- name: find_lease
SELECT id, token, expires_at FROM lock_places WHERE name = $1 AND holder = $2 AND execution IS NULL

-- name: extend_place
UPDATE lock_places SET expires_at = $2 WHERE id = $1

-- name: renew_lease
UPDATE lock_places SET expires_at = $3
WHERE name = $1 AND token = $2 AND execution IS NULL AND expires_at > $4

-- name: leased_place
SELECT id FROM lock_places
WHERE name = $1 AND holder = $2 AND token = $3 AND execution IS NULL AND expires_at > $4

-- name: take_over_place
UPDATE lock_places SET execution = given.execution, holder = given.holder, expires_at = NULL
FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS given (id, execution, holder)
WHERE lock_places.id = given.id

-- name: leave_line
DELETE FROM lock_places WHERE id = $1

-- name: leave_line_by_lease
DELETE FROM lock_places WHERE name = $1 AND holder = $2 AND execution IS NULL AND expires_at > $3 RETURNING id

-- name: leave_line_by_step
DELETE FROM lock_places WHERE execution = $1 AND holder = $2 RETURNING name

-- name: leave_lines
DELETE FROM lock_places WHERE execution = $1 RETURNING name

-- name: first_waiting
SELECT
  id, slots, execution, holder,
  (SELECT count(*) FROM lock_places AS holding WHERE holding.name = $1 AND holding.token IS NOT NULL),
  (
    SELECT expires_at FROM lock_places AS next
    WHERE next.name = $1 AND next.expires_at IS NOT NULL ORDER BY next.expires_at LIMIT 1
  )
FROM lock_places WHERE name = $1 AND token IS NULL ORDER BY id LIMIT $2

-- name: grant_place
-- The token is drawn when the row is locked.
UPDATE lock_places SET token = greatest($2, nextval('tokens')), since = $3 WHERE id = $1 RETURNING token

-- name: first_held
SELECT lock_places.id, executions.run_id, executions.number, holder
FROM lock_places LEFT JOIN executions ON executions.id = lock_places.execution
WHERE lock_places.name = $1 AND token IS NOT NULL
ORDER BY token LIMIT 1

-- name: expire_places_of
DELETE FROM lock_places WHERE name = $1 AND expires_at <= $2

-- name: expire_places
DELETE FROM lock_places WHERE id = ANY (ARRAY(
  SELECT id FROM lock_places WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2
))
RETURNING name

-- name: read_locks
SELECT
  lock_places.name, slots, executions.run_id, executions.number, holder, token, since, lock_places.expires_at
FROM lock_places LEFT JOIN executions ON executions.id = lock_places.execution
ORDER BY lock_places.name, token IS NULL, token, lock_places.id

-- name: place_in_line
SELECT
  token,
  (
    SELECT count(*) FROM lock_places AS before
    WHERE before.name = $1 AND before.token IS NULL AND before.id < own.id
  ),
  (
    SELECT expires_at FROM lock_places AS next
    WHERE next.name = $1 AND next.expires_at IS NOT NULL ORDER BY next.expires_at LIMIT 1
  )
FROM lock_places AS own WHERE own.name = $1 AND own.holder = $2 AND own.execution IS NULL

-- name: waits_of
SELECT name FROM lock_places WHERE execution = $1 AND token IS NULL ORDER BY id

-- name: holders_of
SELECT execution FROM lock_places WHERE name = $1 AND token IS NOT NULL ORDER BY token LIMIT $2

-- name: execution_name_parts
SELECT run_id, number FROM executions WHERE id = $1
