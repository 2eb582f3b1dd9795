-- The store was exported to go on elsewhere: nobody opens it any more, unless somebody takes that back.

CREATE TABLE moved (
  at REAL NOT NULL
) STRICT;
