-- Which version of each workflow a member has, as {workflow: version}; {} says that it did not say.

ALTER TABLE members ADD COLUMN versions TEXT NOT NULL DEFAULT '{}';
