-- How runs change.

-- name: put_change
INSERT INTO changes (execution, status, at, page)
VALUES (?1, ?2, ?3, (SELECT coalesce(max(seq), 0) FROM events))

-- The newest page, and the newest change.
-- name: newest_position
SELECT (SELECT coalesce(max(seq), 0) FROM events), (SELECT coalesce(max(id), 0) FROM changes)

-- name: read_pages_as_changes
SELECT e.seq, x.run_id, x.number, x.workflow, e.first = 1, x.tip IS e.seq AND x.closed_at IS NOT NULL,
       x.created_at, x.closed_at, x.status
FROM events AS e CROSS JOIN executions AS x ON x.id = e.execution -- in this order
WHERE e.seq > ?1 ORDER BY e.seq LIMIT ?2

-- name: read_changes
SELECT c.id, c.page, x.run_id, x.number, x.workflow, c.status, c.at
FROM changes AS c JOIN executions AS x ON x.id = c.execution
WHERE c.id > ?1 AND c.page <= ?2 ORDER BY c.id LIMIT ?3
