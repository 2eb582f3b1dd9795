-- name: open_drift
SELECT id FROM drifts WHERE host = $1 AND endpoint = $2 AND settled_at IS NULL

-- name: put_drift
INSERT INTO drifts (host, endpoint, contract, changes, first_seen, first_run) VALUES ($1, $2, $3, $4, $5, $6)
RETURNING id

-- name: count_drift_run
UPDATE drifts SET runs = runs + 1 WHERE id = $1

-- name: find_drift
SELECT host, endpoint, settled_at FROM drifts WHERE id = $1

-- name: settle_drift
UPDATE drifts SET settled_at = $2, settled_by = $3 WHERE id = $1

-- name: propose_mappings
UPDATE drifts SET proposals = $2 WHERE id = $1 AND settled_at IS NULL;

-- name: parked_by_drift
SELECT id FROM executions WHERE status = 'PARKED' AND parked >= $1 AND parked < $2 ORDER BY parked LIMIT $3

-- name: read_drifts
SELECT id, host, endpoint, contract, changes, first_seen, first_run, runs,
  (SELECT count(*) FROM executions WHERE status = 'PARKED'
    AND parked >= 'drift ' || CAST(drifts.id AS TEXT) || ':' AND parked < 'drift ' || CAST(drifts.id AS TEXT) || ';'),
  settled_at, settled_by, proposals
FROM drifts ORDER BY id DESC LIMIT $1

-- name: drifted
SELECT id FROM executions WHERE status = 'PARKED' AND parked >= $1 AND parked < $2
  AND (SELECT step FROM exchanges WHERE exchanges.execution = executions.id LIMIT 1) IS NOT NULL ORDER BY id LIMIT $3
