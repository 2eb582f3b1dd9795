-- Events that wait for one another, and become one run.

-- name: find_gathered
SELECT g.id, g.run_id, g.due_at, g.events FROM gathered AS e JOIN gatherings AS g ON g.id = e.gathering
WHERE e.workflow = ?1 AND e.event_id = ?2 AND e.event_id <> ''

-- name: standing_gathering
SELECT id, run_id, size, latest, due_at, events, bytes FROM gatherings
WHERE workflow = ?1 AND key = ?2 AND state = 'open'

-- name: open_gathering
INSERT INTO gatherings (id, workflow, key, run_id, size, opened_at, latest, due_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)

-- name: note_gathered
UPDATE gatherings SET events = ?2, bytes = ?3, due_at = ?4, state = ?5 WHERE id = ?1

-- name: put_gathered
INSERT INTO gathered (gathering, number, workflow, event_id, event) VALUES (?1, ?2, ?3, ?4, ?5)

-- name: empty_gathered
UPDATE gathered SET event = x'' WHERE gathering = ?1 AND number = ?2

-- name: empty_all_gathered
UPDATE gathered SET event = x'' WHERE gathering = ?1

-- name: close_gathering
UPDATE gatherings SET state = 'full' WHERE id = ?1

-- name: gathering_standing
SELECT state, events FROM gatherings WHERE id = ?1

-- name: settle_gathering
UPDATE gatherings SET state = ?2, begun_at = ?3, reason = ?4 WHERE id = ?1

-- name: hurry_gathering
UPDATE gatherings SET state = 'full', due_at = ?2, begun_at = NULL, reason = ''
WHERE id = ?1 AND state <> 'begun'

-- name: prunable_gatherings
SELECT id FROM gatherings WHERE state = 'begun' AND begun_at < ?1 ORDER BY begun_at LIMIT ?2

-- name: drop_gathered
DELETE FROM gathered WHERE gathering = ?1

-- name: drop_gathering
DELETE FROM gatherings WHERE id = ?1

-- name: list_gatherings
SELECT id, workflow, key, run_id, state, size, events, opened_at, due_at, begun_at, reason FROM gatherings
WHERE id < ?1 ORDER BY id DESC LIMIT ?2

-- name: read_gathering
SELECT id, workflow, key, run_id, state, size, events, opened_at, due_at, begun_at, reason FROM gatherings
WHERE id = ?1

-- name: due_gatherings
SELECT id, workflow, key, run_id, state, size, events, opened_at, due_at, begun_at, reason FROM gatherings
WHERE state IN ('open', 'full') AND due_at <= ?1 ORDER BY due_at, id LIMIT ?2

-- name: next_gathering
SELECT min(due_at) FROM gatherings WHERE state IN ('open', 'full')

-- name: read_gathered
SELECT event FROM gathered WHERE gathering = ?1 AND event <> x'' ORDER BY number
