-- What becomes due, of all kinds, in one question: whoever has nothing to do asks it.

-- Timers of runs that nobody owns, leases of members, delayed tasks and chunks, places in lines of locks; and whether rows
-- wait for who holds their prefix, which have to be looked at one by one.
-- name: next_wake
SELECT
  (SELECT min(wake_at) FROM executions
   WHERE wake_at > ?1 AND ready = 0 AND owner IS NULL AND status = 'RUNNING'),
  (SELECT min(expires_at) FROM members WHERE lives = 1 AND expires_at > ?1),
  (SELECT visible_at FROM task_queue WHERE state = 0 AND visible_at > ?1 ORDER BY visible_at LIMIT 1),
  (SELECT visible_at FROM chunks WHERE state = 0 AND visible_at > ?1 ORDER BY visible_at LIMIT 1),
  (SELECT expires_at FROM lock_places WHERE expires_at > ?1 ORDER BY expires_at LIMIT 1),
  EXISTS (SELECT 1 FROM task_queue WHERE prefix <> '' AND state = 5);
