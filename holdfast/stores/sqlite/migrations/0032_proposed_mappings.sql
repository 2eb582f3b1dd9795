-- What is proposed for a report, and on which runs it was tried: a person accepts one where they look at it.

ALTER TABLE drifts ADD COLUMN proposals BLOB NOT NULL DEFAULT x'5b5d';  -- an empty list
