-- Histories: started and appended to. The hot path of the store.

-- name: start_execution
INSERT INTO executions (run_id, number, workflow, status, input_digest, code_version, created_at, owner, ready)
VALUES (?1, 1, ?2, 'RUNNING', ?3, ?4, ?5, ?6, ?7)
ON CONFLICT DO NOTHING

-- name: started_before
SELECT workflow, input_digest, id, number, status FROM executions
WHERE run_id = ?1 ORDER BY number DESC LIMIT 1

-- name: append_page
INSERT INTO events (seq, previous, execution, first, last, commit_number, body, hash)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)

-- name: newest_page
SELECT coalesce(max(seq), 0) FROM events

-- name: begin_tip
INSERT INTO tips (execution, last, seq) VALUES (?1, ?2, ?3)

-- name: move_tip
UPDATE tips SET last = ?2, seq = ?3 WHERE execution = ?1 AND last = ?4

-- name: end_tip
DELETE FROM tips WHERE execution = ?1 AND last = ?2

-- name: held_execution
SELECT recoveries, parts, tips.last, tips.seq
FROM executions JOIN tips ON tips.execution = executions.id
WHERE id = ?1 AND owner = ?2

-- name: take_grip
UPDATE members SET grip = ?2 WHERE member = ?1

-- name: set_wake
UPDATE executions SET wake_at = ?2 WHERE id = ?1

-- name: set_parts
UPDATE executions SET parts = ?2 WHERE id = ?1

-- name: make_stable
UPDATE executions SET recoveries = 0 WHERE id = ?1

-- name: look_before_closing
SELECT EXISTS (SELECT 1 FROM inbox WHERE execution = ?1 AND id > ?2),
       EXISTS (SELECT 1 FROM inbox WHERE execution = ?1) OR EXISTS (SELECT 1 FROM delivered WHERE execution = ?1)

-- name: close_execution
UPDATE executions SET status = ?2, outcome = ?3, closed_at = ?4, last = ?5, tip = ?6, owner = NULL, ready = 0,
  wake_at = NULL
WHERE id = ?1

-- name: read_pages
WITH RECURSIVE chain (seq, previous, first, last, body, hash) AS (
  SELECT seq, previous, first, last, body, hash FROM events
  WHERE seq = coalesce((SELECT seq FROM tips WHERE execution = ?1), (SELECT tip FROM executions WHERE id = ?1))
    AND last > ?2
  UNION ALL
  SELECT e.seq, e.previous, e.first, e.last, e.body, e.hash
  FROM chain JOIN events AS e ON e.seq = chain.previous
  WHERE e.last > ?2
)
SELECT first, last, body, hash FROM chain ORDER BY first

-- name: read_blob
SELECT content FROM blobs WHERE digest = ?1
