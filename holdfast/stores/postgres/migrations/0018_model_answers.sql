-- Answers of language models that are given again to whoever asks the very same.

CREATE TABLE model_answers (
  asked text COLLATE "C" NOT NULL PRIMARY KEY, -- digest of whom was asked, and of all that was
  body bytea NOT NULL,                          -- JSON text of the answer
  until double precision NOT NULL
);
CREATE INDEX model_answers_until ON model_answers (until);
