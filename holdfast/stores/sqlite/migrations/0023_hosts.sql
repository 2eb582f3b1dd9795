-- What the fleet knows together of hosts that tasks call: frozen, paced, circuit. A state is JSON.

CREATE TABLE hosts (
  host  TEXT PRIMARY KEY,
  state BLOB NOT NULL
) STRICT, WITHOUT ROWID;
