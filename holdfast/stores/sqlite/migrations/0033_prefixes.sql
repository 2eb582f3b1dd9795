-- Prefixes of prompts: which a queued task computes with, which a member holds, which are warm with a provider.
--
-- A row with a prefix stands in the line `prefix POOL` once it may be claimed; one without is in none of these indexes.

ALTER TABLE task_queue ADD COLUMN prefix TEXT NOT NULL DEFAULT '';
ALTER TABLE members ADD COLUMN prefixes TEXT NOT NULL DEFAULT '{}';    -- digest to seconds, as JSON

CREATE INDEX task_queue_prefix ON task_queue (line, prefix, priority DESC, turn, id, task) WHERE prefix <> '';
CREATE INDEX task_queue_prefix_age ON task_queue (visible_at, prefix) WHERE prefix <> '' AND state = 5;

-- With an asker, somebody warms it until then; without one it is warm until then.
CREATE TABLE warm_prefixes (
  name  TEXT PRIMARY KEY,
  until REAL NOT NULL,
  asker TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX warm_prefixes_until ON warm_prefixes (until);
