"""The store on one SQLite file.

Owns: the file, its schema, and every statement that runs on it.
Must not know: workflows, tasks' code, what the bodies it keeps mean.
"""

from holdfast.stores.sqlite.store import SQLiteStore
from holdfast.stores.sqlite.verify import VerifyReport, verify

__all__ = ["SQLiteStore", "VerifyReport", "verify"]
