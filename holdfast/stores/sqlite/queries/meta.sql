-- The one row about the whole store.

-- name: read_meta
SELECT commit_number, head, now, token FROM meta

-- name: write_meta
UPDATE meta SET commit_number = ?1, head = ?2, now = ?3, token = ?4, refused = refused + ?5

-- name: read_now
SELECT now FROM meta

-- name: read_refused
SELECT refused FROM meta

-- name: read_commit_number
SELECT commit_number FROM meta

-- name: note_loss
INSERT INTO losses (found_at, expected, found) VALUES (?1, ?2, ?3)

-- name: read_moved
SELECT at FROM moved

-- name: note_moved
INSERT INTO moved (at) SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM moved)

-- name: drop_moved
DELETE FROM moved
