-- What may go once a run has been over for long.

ALTER TABLE executions ADD COLUMN pruned INTEGER NOT NULL DEFAULT 0;  -- 1: its pages are empty, only their hashes are left

-- Which executions name which payloads outside their pages. Noted in the transaction that names them.
CREATE TABLE blob_uses (
  execution INTEGER NOT NULL,
  digest BLOB NOT NULL,
  PRIMARY KEY (execution, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_uses_digest ON blob_uses (digest);

-- Of those from before nobody knows: they stay. There is no execution 0.
INSERT INTO blob_uses (execution, digest) SELECT 0, digest FROM blobs;
