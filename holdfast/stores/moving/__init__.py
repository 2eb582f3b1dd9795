"""Moving a store, with everything that goes on in it, into another database.

Owns: which tables travel, and the form in which they do.
Must not know: why somebody moves; each database's own half lies with that database.
"""

from holdfast.stores.moving.form import Reading, Table, Writing
from holdfast.stores.moving.tables import STAYING, TRAVELLING

__all__ = ["STAYING", "TRAVELLING", "Reading", "Table", "Writing"]
