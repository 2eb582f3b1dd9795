-- Runs that were parked, paused or set going again: what no history tells, in the order in which it was committed.

CREATE TABLE changes (
  id        INTEGER PRIMARY KEY AUTOINCREMENT,
  execution INTEGER NOT NULL,
  status    TEXT    NOT NULL,
  at        REAL    NOT NULL,
  page      INTEGER NOT NULL          -- the newest page of all histories by then
) STRICT;
