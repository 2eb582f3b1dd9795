-- Answers of language models that are given again to whoever asks the very same.

-- name: put_model_answer
INSERT INTO model_answers (asked, body, until) VALUES ($1, $2, $3)
ON CONFLICT (asked) DO UPDATE SET body = excluded.body, until = excluded.until

-- name: read_model_answer
SELECT body, until FROM model_answers WHERE asked = $1

-- name: drop_old_model_answers
DELETE FROM model_answers WHERE until <= $1
