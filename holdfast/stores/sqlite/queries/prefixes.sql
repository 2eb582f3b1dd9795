-- Prefixes of prompts: who holds which, which rows wait for them, which are warm with a provider.

-- name: hold_prefixes
UPDATE members SET prefixes = ?2 WHERE member = ?1;

-- name: living_holders
SELECT member, pools, prefixes FROM members WHERE lives = 1 AND expires_at > ?1;

-- name: claimable_with_prefix
SELECT priority, id, turn, prefix, visible_at FROM task_queue
WHERE line = ?1 AND prefix = ?2 AND prefix <> '' AND task IN (SELECT value FROM json_each(?3))
ORDER BY priority DESC, turn, id
LIMIT ?4;

-- name: claimable_with_prefixes
SELECT priority, id, turn, prefix, visible_at FROM task_queue
WHERE line = ?1 AND line <> '' AND task IN (SELECT value FROM json_each(?2))
ORDER BY priority DESC, turn, id
LIMIT ?3;

-- name: waiting_with_prefixes
SELECT visible_at, prefix FROM task_queue
WHERE prefix <> '' AND state = 5 AND visible_at > ?1
ORDER BY visible_at
LIMIT ?2;

-- name: forget_warm_prefixes
DELETE FROM warm_prefixes WHERE until <= ?1;

-- name: find_warm_prefix
SELECT until, asker FROM warm_prefixes WHERE name = ?1;

-- name: put_warm_prefix
INSERT INTO warm_prefixes (name, until, asker) VALUES (?1, ?2, ?3)
ON CONFLICT (name) DO UPDATE SET until = excluded.until, asker = excluded.asker;

-- name: drop_warm_prefix
DELETE FROM warm_prefixes WHERE name = ?1 AND asker = ?2;
