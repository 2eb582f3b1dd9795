-- The audit log: who did what.

-- name: put_audit
INSERT INTO audit (at, actor, action, target, detail) VALUES ($1, $2, $3, $4, $5)

-- name: list_audit
SELECT id, at, actor, action, target, detail FROM audit
WHERE id < $1 AND ($3::text IS NULL OR actor = $3) AND ($4::text IS NULL OR action = $4)
ORDER BY id DESC LIMIT $2

-- name: list_audit_of_target
SELECT id, at, actor, action, target, detail FROM audit
WHERE target = $5 AND id < $1 AND ($3::text IS NULL OR actor = $3) AND ($4::text IS NULL OR action = $4)
ORDER BY id DESC LIMIT $2

-- Entries are written in order of time, so the oldest are those with the smallest ids.
-- name: prune_audit
DELETE FROM audit WHERE id = ANY (ARRAY(SELECT id FROM audit WHERE id > 0 ORDER BY id LIMIT $2)) AND at < $1
