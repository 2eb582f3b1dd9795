-- Answers of language models that are given again to whoever asks the very same.

CREATE TABLE model_answers (
  asked TEXT NOT NULL PRIMARY KEY, -- digest of whom was asked, and of all that was
  body BLOB NOT NULL,               -- JSON text of the answer
  until REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX model_answers_until ON model_answers (until);
