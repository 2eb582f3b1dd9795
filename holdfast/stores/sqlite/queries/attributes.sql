-- Search attributes and memos.

-- name: put_attribute
INSERT INTO attributes (name, key, execution, value) VALUES (?1, ?2, ?3, ?4)

-- name: drop_attribute
DELETE FROM attributes WHERE execution = ?1 AND name = ?2

-- name: put_memo
INSERT INTO memos (execution, body) VALUES (?1, ?2)

-- name: move_attributes
UPDATE attributes SET execution = ?2 WHERE execution = ?1

-- name: move_memo
UPDATE memos SET execution = ?2 WHERE execution = ?1

-- An execution has one value of a name, so it is found once. CROSS JOIN keeps SQLite from beginning with all runs.
-- name: find_executions_with_attributes
SELECT e.id FROM attributes AS a CROSS JOIN executions AS e ON e.id = a.execution
WHERE a.name = ?8 AND a.key = ?9 AND a.execution < ?1
  AND e.newest = 1 AND (?2 IS NULL OR e.workflow IN (SELECT value FROM json_each(?2)))
  AND (?4 IS NULL OR e.status IN (SELECT value FROM json_each(?4)))
  AND (?5 IS NULL OR e.created_at >= ?5) AND (?6 IS NULL OR e.created_at < ?6)
  AND (?7 IS NULL OR instr(e.parked, ?7)
    OR (e.status IN ('FAILED', 'TIMED_OUT', 'CANCELLED', 'TERMINATED') AND instr(e.outcome, CAST(?7 AS BLOB))))
  AND NOT EXISTS (
    SELECT 1 FROM json_each(?10) AS wanted WHERE NOT EXISTS (
      SELECT 1 FROM attributes AS b
      WHERE b.name = wanted.value ->> 0 AND b.key = wanted.value ->> 1 AND b.execution = e.id))
ORDER BY a.execution DESC LIMIT ?3

-- name: count_found_with_attributes
SELECT count(*) FROM (
  SELECT 1 FROM attributes AS a CROSS JOIN executions AS e ON e.id = a.execution
  WHERE a.name = ?8 AND a.key = ?9 AND a.execution < ?1
    AND e.newest = 1 AND (?2 IS NULL OR e.workflow IN (SELECT value FROM json_each(?2)))
    AND (?4 IS NULL OR e.status IN (SELECT value FROM json_each(?4)))
    AND (?5 IS NULL OR e.created_at >= ?5) AND (?6 IS NULL OR e.created_at < ?6)
    AND (?7 IS NULL OR instr(e.parked, ?7)
      OR (e.status IN ('FAILED', 'TIMED_OUT', 'CANCELLED', 'TERMINATED') AND instr(e.outcome, CAST(?7 AS BLOB))))
    AND NOT EXISTS (
      SELECT 1 FROM json_each(?10) AS wanted WHERE NOT EXISTS (
        SELECT 1 FROM attributes AS b
        WHERE b.name = wanted.value ->> 0 AND b.key = wanted.value ->> 1 AND b.execution = e.id))
  LIMIT ?3
)
