-- Members: who is alive, who is not.

-- name: join_member
INSERT INTO members (member, epoch, name, kind, host, pid, state, lives, joined_at, expires_at, lease_seconds,
                     workflows, pools, reaped_at, versions)
VALUES ($1, $2, $3, $4, $5, $6, 'alive', 1, $7, $8, $9, $10, $11, $7, $12)

-- name: check_member
SELECT grip FROM members WHERE member = $1 AND epoch = $2 AND lives = 1

-- name: beat_member
UPDATE members SET expires_at = $3, lease_seconds = $4, state = $5 WHERE member = $1 AND epoch = $2 AND lives = 1

-- name: end_member
UPDATE members SET lives = 0, state = $2 WHERE member = $1 AND lives = 1

-- name: count_refused
WITH counted AS (
  UPDATE members SET refused = refused + $2 WHERE member = $1 RETURNING member
)
UPDATE refusals SET refused = refused + $2 WHERE NOT EXISTS (SELECT FROM counted)

-- name: read_reaper
SELECT reaped_at, reaps_from, lease_seconds FROM members WHERE member = $1

-- name: note_reaper
UPDATE members SET reaped_at = $2, reaps_from = $3 WHERE member = $1

-- name: expired_members
SELECT member, name FROM members WHERE lives = 1 AND expires_at <= $1 AND member <> $2 ORDER BY expires_at

-- name: living_members
SELECT member, name FROM members WHERE lives = 1 AND expires_at > 0 AND member <> $1 ORDER BY expires_at

-- name: forget_members
WITH forgotten AS (
  DELETE FROM members WHERE lives = 0 AND expires_at < $1 RETURNING refused
)
UPDATE refusals SET refused = refused + (SELECT coalesce(sum(refused), 0) FROM forgotten)::bigint
WHERE EXISTS (SELECT FROM forgotten)

-- name: read_members
SELECT member, name, kind, host, pid, epoch,
       CASE WHEN lives = 1 AND expires_at <= $1 THEN 'expired' ELSE state END,
       joined_at, expires_at, workflows, pools,
       (SELECT count(*) FROM executions WHERE owner = member),
       (SELECT count(*) FROM task_queue WHERE owner = member) + (SELECT count(*) FROM chunks WHERE owner = member),
       refused, versions, prefixes
FROM members WHERE state <> 'left' ORDER BY member DESC

-- How many writes were refused in all, also of members that are forgotten.
-- name: read_refused
SELECT (SELECT refused FROM refusals) + (SELECT coalesce(sum(refused), 0) FROM members)::bigint
