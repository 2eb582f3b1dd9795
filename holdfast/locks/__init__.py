"""Leases held by scripts and tasks: ledger entries, and places at locks and semaphores.

Owns: how they are asked for, waited for, renewed and given back, over any store.
Must not know: processes, threads, what a lease protects. Locks of workflows belong to runs and are not leases.
"""

from holdfast.locks.held import EntryLease, Lease, PlaceLease, give_back, renew
from holdfast.locks.leases import LockLines
from holdfast.locks.ledger import LedgerEntries

__all__ = ["EntryLease", "Lease", "LedgerEntries", "LockLines", "PlaceLease", "give_back", "renew"]
