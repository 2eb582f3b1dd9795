-- name: add_outcomes
INSERT INTO outcomes (fan_out, first, body)
SELECT fan_out, first, body FROM unnest($1::bigint[], $2::bigint[], $3::bytea[])
  WITH ORDINALITY AS given (fan_out, first, body, place)
ORDER BY place

-- name: read_outcomes
-- From the last slice that begins at or before `start`, because that one holds it.
SELECT first, body FROM outcomes
WHERE fan_out = $1
  AND first >= coalesce((SELECT max(first) FROM outcomes WHERE fan_out = $1 AND first <= $2), $2)
  AND first < $3
ORDER BY first, id

-- name: all_outcomes
SELECT first, body FROM outcomes WHERE fan_out = $1 ORDER BY first, id
