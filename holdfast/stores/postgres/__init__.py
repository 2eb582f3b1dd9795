"""The store in one schema of a PostgreSQL database.

Owns: the schema, and every statement that runs on it.
Must not know: workflows, tasks' code, what the bodies it keeps mean.

Import from its modules: whoever only looks at an address loads nothing else.
"""
