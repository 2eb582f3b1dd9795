-- How runs change.
--
-- Pages and changes are numbered by the transactions that write them (`xid << 20`, and a count within each), so numbers
-- become visible out of order: a transaction that began earlier may commit later. Whoever reads in order therefore stops
-- at the oldest transaction that is still writing: everything below it has been committed, or never will be.

-- A change comes after the pages that its own transaction wrote before it, and so do the higher ones after its page.
-- name: put_change
INSERT INTO changes (id, execution, status, at, page)
SELECT coalesce((SELECT max(id) FROM changes WHERE id > mine.number AND id < mine.number + (1 << 20)), mine.number) + 1,
       $1::bigint, $2::text, $3::double precision,
       coalesce((SELECT max(seq) FROM events WHERE seq > mine.number AND seq < mine.number + (1 << 20)), mine.number)
FROM (SELECT pg_current_xact_id()::text::bigint << 20) AS mine (number)

-- The newest page, and the newest change.
-- name: newest_position
SELECT coalesce((SELECT max(seq) FROM events WHERE seq < settled.number), 0),
       coalesce((SELECT max(id) FROM changes WHERE id < settled.number), 0)
FROM (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint << 20) AS settled (number)

-- name: read_pages_as_changes
SELECT e.seq, x.run_id, x.number, x.workflow, e.first = 1, x.tip IS NOT DISTINCT FROM e.seq AND x.closed_at IS NOT NULL,
       x.created_at, x.closed_at, x.status
FROM events AS e JOIN executions AS x ON x.id = e.execution
WHERE e.seq > $1 AND e.seq < (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint << 20)
ORDER BY e.seq LIMIT $2

-- name: read_changes
SELECT c.id, c.page, x.run_id, x.number, x.workflow, c.status, c.at
FROM changes AS c JOIN executions AS x ON x.id = c.execution
WHERE c.id > $1 AND c.id < (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint << 20) AND c.page <= $2
ORDER BY c.id LIMIT $3
