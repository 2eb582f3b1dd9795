"""Effects inside the user's own database, exactly once.

Owns: `transaction`, the table of outcomes, and how the connections of known drivers are worked with.
Must not know: Holdfast's store. All of this happens on a connection that the caller brings.
"""

from holdfast.transactions.table import CREATE_TABLE, TABLE
from holdfast.transactions.transaction import transaction

__all__ = ["CREATE_TABLE", "TABLE", "transaction"]
