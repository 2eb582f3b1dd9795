-- API keys for some workflows only, with a rate, a second secret while they are renewed, and when they were used last.

ALTER TABLE api_keys ADD COLUMN workflows TEXT NOT NULL DEFAULT '[]';  -- JSON array of names; empty is all
ALTER TABLE api_keys ADD COLUMN rate_limit TEXT NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN last_used_at REAL;
ALTER TABLE api_keys ADD COLUMN old_hash BLOB;      -- of the secret before this one
ALTER TABLE api_keys ADD COLUMN old_until REAL;
