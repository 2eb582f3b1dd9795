-- Runs that have to do with other runs.

-- Who waits for whose end. `parent` has no row left once it has closed; an empty `step` is one that nobody waits for any
-- more, because its parent went on as a new execution.
CREATE TABLE children (
  id           INTEGER PRIMARY KEY,
  parent       INTEGER NOT NULL,      -- an execution
  step         TEXT    NOT NULL,
  child        INTEGER NOT NULL,      -- an execution: the newest of the child's run
  parent_close TEXT    NOT NULL       -- terminate, cancel, abandon
) STRICT;

CREATE INDEX children_parent ON children (parent, step);
CREATE INDEX children_child ON children (child);

-- How often the operation id went along when its run went on as a new execution. Once is enough: who repeats a message
-- does so soon.
ALTER TABLE delivered ADD COLUMN carried INTEGER NOT NULL DEFAULT 0;
