-- Lines of queued tasks in which there may be room for somebody: whoever claims next looks at them.

CREATE TABLE touched_lines (
  id   INTEGER PRIMARY KEY AUTOINCREMENT,
  line TEXT NOT NULL
) STRICT;
