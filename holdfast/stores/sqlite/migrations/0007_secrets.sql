-- What only processes of this store may know, such as the key that callbacks are signed with.

CREATE TABLE secrets (
  name TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
