-- What people decided about pools: one that is paused, or may have so many tasks under way at once. Others have no row.

CREATE TABLE pools (
  name text COLLATE "C" PRIMARY KEY,
  paused smallint NOT NULL DEFAULT 0,
  slots bigint,                         -- NULL: as many as its workers have
  by text NOT NULL,                     -- who decided last
  reason text NOT NULL,
  changed_at double precision NOT NULL
);
