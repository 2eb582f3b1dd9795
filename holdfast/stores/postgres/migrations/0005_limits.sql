-- What queued tasks wait for besides a free slot: a place at a limit, their share of a rate, the turn of their key.
--
-- A row without any of that has empty `limits`, and is in none of these indexes. `state` may also be: 4 waits for a
-- place, 5 is ready and takes turns with rows of other keys, 6 waits for a rate. A row in one of these states stands in
-- a line, named by `line`; the one in line for a rate that is looked at again when time has passed is delayed (0).

ALTER TABLE task_queue
  ADD COLUMN limits bytea NOT NULL DEFAULT '',
  ADD COLUMN place text COLLATE "C" NOT NULL DEFAULT '',
  ADD COLUMN held smallint NOT NULL DEFAULT 0,       -- 1: it has its place
  ADD COLUMN fairness text COLLATE "C" NOT NULL DEFAULT '',
  ADD COLUMN line text COLLATE "C" NOT NULL DEFAULT '',
  ADD COLUMN turn bigint NOT NULL DEFAULT 0;

CREATE INDEX task_queue_line ON task_queue (line, priority DESC, turn, id) WHERE line <> '';
CREATE INDEX task_queue_turns ON task_queue (line, priority, fairness, turn) WHERE line <> '';
CREATE INDEX task_queue_held ON task_queue (place) WHERE held = 1;

-- Each rate as it was last asked for, and until when it is frozen.
CREATE TABLE rates (
  name text COLLATE "C" PRIMARY KEY,
  amount double precision NOT NULL,
  per double precision NOT NULL,
  frozen_until double precision NOT NULL DEFAULT 0.0,
  frozen_by text NOT NULL DEFAULT ''
);

-- What attempts took of a rate, and until when that counts. What is taken at nearly the same time is one row.
CREATE TABLE rate_uses (
  name text COLLATE "C" NOT NULL,
  until double precision NOT NULL,
  units double precision NOT NULL,
  PRIMARY KEY (name, until)
);

-- What is set apart of a rate for rows that are ready, until they are claimed.
CREATE TABLE rate_holds (
  name text COLLATE "C" NOT NULL,
  task bigint NOT NULL,
  units double precision NOT NULL,
  PRIMARY KEY (name, task)
);
CREATE INDEX rate_holds_task ON rate_holds (task);
