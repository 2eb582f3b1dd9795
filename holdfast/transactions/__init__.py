"""The user's own database: effects in it that happen exactly once, and runs that begin with a transaction of it.

Owns: `transaction`, `enqueue`, the tables beside the user's data, how the connections of known drivers are worked with.
Must not know: Holdfast's store. All of this happens on a connection that the caller brings.
"""

from holdfast.transactions.enqueue import enqueue
from holdfast.transactions.mover import Mover
from holdfast.transactions.outbox import COUNT, CREATE_OUTBOX, CREATE_OUTBOX_IN_FILE, OUTBOX, Place
from holdfast.transactions.table import CREATE_TABLE, TABLE
from holdfast.transactions.transaction import transaction

__all__ = [
    "COUNT",
    "CREATE_OUTBOX",
    "CREATE_OUTBOX_IN_FILE",
    "CREATE_TABLE",
    "OUTBOX",
    "TABLE",
    "Mover",
    "Place",
    "enqueue",
    "transaction",
]
