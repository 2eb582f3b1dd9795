-- What steps say while they are at it, outside of histories.

-- name: find_stream
SELECT epoch, characters, ended FROM streams WHERE execution = ?1 AND name = ?2

-- name: count_streams
SELECT count(*) FROM streams WHERE run_id = ?1

-- name: open_stream
INSERT INTO streams (execution, name, run_id, epoch, characters, ended, opened_at) VALUES (?1, ?2, ?3, 1, 0, '', ?4)
ON CONFLICT (execution, name) DO UPDATE SET epoch = streams.epoch + 1, characters = 0, ended = '',
  opened_at = excluded.opened_at

-- name: drop_pieces
DELETE FROM stream_pieces WHERE execution = ?1 AND name = ?2

-- name: put_piece
INSERT INTO stream_pieces (execution, name, start, characters, body) VALUES (?1, ?2, ?3, ?4, ?5)

-- name: note_said
UPDATE streams SET characters = ?3, ended = ?4 WHERE execution = ?1 AND name = ?2

-- name: read_pieces
SELECT start, body FROM stream_pieces WHERE execution = ?1 AND name = ?2 AND start + characters > ?3
ORDER BY start LIMIT ?4

-- name: streams_of
SELECT execution, name, epoch, characters, ended, opened_at FROM streams
WHERE run_id = ?1 ORDER BY opened_at, execution, name LIMIT ?2

-- name: streams_of_execution
SELECT execution, name FROM streams WHERE run_id = (SELECT run_id FROM executions WHERE id = ?1 AND newest = 1)

-- name: drop_streams_of_run
DELETE FROM streams WHERE run_id = (SELECT run_id FROM executions WHERE id = ?1 AND newest = 1)
