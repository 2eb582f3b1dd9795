-- name: newest_contract
SELECT version, revision, is_learned, answers, body, since FROM contracts
WHERE host = ?1 AND endpoint = ?2 ORDER BY version DESC LIMIT 1;

-- name: put_contract
INSERT INTO contracts (host, endpoint, version, revision, is_learned, answers, body, since)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (host, endpoint, version) DO UPDATE SET
  revision = excluded.revision, is_learned = excluded.is_learned, answers = excluded.answers,
  body = excluded.body, since = excluded.since;

-- name: drop_old_contracts
DELETE FROM contracts WHERE host = ?1 AND endpoint = ?2 AND version <= ?3;

-- name: read_contracts
SELECT host, endpoint, version, revision, is_learned, answers, body, since FROM contracts
WHERE version = (SELECT max(version) FROM contracts AS newer
  WHERE newer.host = contracts.host AND newer.endpoint = contracts.endpoint)
ORDER BY host, endpoint LIMIT ?1;

-- name: contract_versions
SELECT version, revision, is_learned, answers, body, since FROM contracts
WHERE host = ?1 AND endpoint = ?2 ORDER BY version DESC;

-- name: find_retirement
SELECT deprecated_at, sunset_at FROM retirements WHERE host = ?1 AND endpoint = ?2;

-- name: put_retirement
INSERT INTO retirements (host, endpoint, deprecated_at, sunset_at, link, first_seen, first_run)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT (host, endpoint) DO UPDATE SET
  deprecated_at = excluded.deprecated_at, sunset_at = excluded.sunset_at, link = excluded.link;

-- name: read_retirements
SELECT host, endpoint, deprecated_at, sunset_at, link, first_seen, first_run FROM retirements
ORDER BY host, endpoint LIMIT ?1;
