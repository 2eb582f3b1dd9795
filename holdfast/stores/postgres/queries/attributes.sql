-- Search attributes and memos.

-- name: put_attribute
INSERT INTO attributes (name, key, execution, value)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[])

-- name: drop_attribute
DELETE FROM attributes USING unnest($1::bigint[], $2::text[]) AS given (execution, name)
WHERE attributes.execution = given.execution AND attributes.name = given.name

-- name: put_memo
INSERT INTO memos (execution, body) VALUES ($1, $2)

-- name: move_attributes
UPDATE attributes SET execution = $2 WHERE execution = $1

-- name: move_memo
UPDATE memos SET execution = $2 WHERE execution = $1

-- An execution has one value of a name, so it is found once.
-- name: find_executions_with_attributes
SELECT e.id FROM attributes AS a JOIN executions AS e ON e.id = a.execution
WHERE a.name = $8 AND a.key = $9 AND a.execution < $1
  AND e.newest = 1 AND ($2::text IS NULL OR e.workflow = ANY (ARRAY(SELECT json_array_elements_text($2::json))))
  AND ($4::text IS NULL OR e.status = ANY (ARRAY(SELECT json_array_elements_text($4::json))))
  AND ($5::double precision IS NULL OR e.created_at >= $5) AND ($6::double precision IS NULL OR e.created_at < $6)
  AND ($7::text IS NULL OR strpos(e.parked, $7) > 0
    OR (e.status IN ('FAILED', 'TIMED_OUT', 'CANCELLED', 'TERMINATED')
      AND position(convert_to($7, 'UTF8') IN e.outcome) > 0))
  AND NOT EXISTS (
    SELECT FROM json_array_elements($10::json) AS wanted WHERE NOT EXISTS (
      SELECT FROM attributes AS b
      WHERE b.name = wanted ->> 0 AND b.key = wanted ->> 1 AND b.execution = e.id))
ORDER BY a.execution DESC LIMIT $3

-- name: count_found_with_attributes
SELECT count(*) FROM (
  SELECT FROM attributes AS a JOIN executions AS e ON e.id = a.execution
  WHERE a.name = $8 AND a.key = $9 AND a.execution < $1
    AND e.newest = 1 AND ($2::text IS NULL OR e.workflow = ANY (ARRAY(SELECT json_array_elements_text($2::json))))
    AND ($4::text IS NULL OR e.status = ANY (ARRAY(SELECT json_array_elements_text($4::json))))
    AND ($5::double precision IS NULL OR e.created_at >= $5) AND ($6::double precision IS NULL OR e.created_at < $6)
    AND ($7::text IS NULL OR strpos(e.parked, $7) > 0
      OR (e.status IN ('FAILED', 'TIMED_OUT', 'CANCELLED', 'TERMINATED')
        AND position(convert_to($7, 'UTF8') IN e.outcome) > 0))
    AND NOT EXISTS (
      SELECT FROM json_array_elements($10::json) AS wanted WHERE NOT EXISTS (
        SELECT FROM attributes AS b
        WHERE b.name = wanted ->> 0 AND b.key = wanted ->> 1 AND b.execution = e.id))
  LIMIT $3
) AS found
