-- name: read_host
SELECT state FROM hosts WHERE host = ?1;

-- name: put_host
INSERT INTO hosts (host, state) VALUES (?1, ?2) ON CONFLICT (host) DO UPDATE SET state = excluded.state;

-- name: read_hosts
SELECT host, state FROM hosts ORDER BY host LIMIT ?1;
