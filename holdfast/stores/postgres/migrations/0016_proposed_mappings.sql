-- What is proposed for a report, and on which runs it was tried: a person accepts one where they look at it.

ALTER TABLE drifts ADD COLUMN proposals bytea NOT NULL DEFAULT '\x5b5d';  -- an empty list
