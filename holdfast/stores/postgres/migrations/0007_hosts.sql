-- What the fleet knows together of hosts that tasks call: frozen, paced, circuit. A state is JSON.

CREATE TABLE hosts (
  host text COLLATE "C" PRIMARY KEY,
  state bytea NOT NULL
);
