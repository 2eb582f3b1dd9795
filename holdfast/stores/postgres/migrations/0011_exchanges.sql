-- What the last attempt at a step that came to nothing asked of outside systems, and was answered.

CREATE TABLE exchanges (
  execution bigint NOT NULL,
  step text COLLATE "C" NOT NULL,
  body bytea NOT NULL,                   -- see holdfast/history/exchanges.py
  PRIMARY KEY (execution, step)
);
