"""What operations do to tables, on any SQL database.

Owns: a handler for each operation, a function for each read, one file a noun; named statements.
Must not know: which database runs them; each has its own text for every name, and its own transactions.
"""
