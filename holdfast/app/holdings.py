"""Which lease of an entry belongs to which code of this process.

Owns: the memory of blocks that are entered.
Must not know: stores, renewals.

The code inside a block is found by its context: also when its lease was lost, and another block in this process has the
newer one. Threads that code inside a block starts have another context; for them the newest lease counts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from holdfast.app.address import Address
from holdfast.locks import EntryLease


@dataclass(slots=True, eq=False)
class Holding:
    """A lease that code of this process has, until it gives it back or finishes the entry."""

    store: Address
    lease: EntryLease
    over: bool = False
    """The entry is finished: there is nothing to give back."""
    pid: int = field(default_factory=os.getpid)

    @property
    def is_ours(self) -> bool:
        """Whether this process leased it, rather than the one it was forked from."""
        return self.pid == os.getpid()

    @property
    def key(self) -> tuple[Address, str]:
        """What it is a lease of."""
        return self.store, self.lease.name


_newest: Final[dict[tuple[Address, str], Holding]] = {}
"""For the whole process: threads share it."""
_here: Final[ContextVar[Mapping[tuple[Address, str], Holding]]] = ContextVar(
    "holdfast_holdings", default=MappingProxyType({})
)


def enter(holding: Holding) -> None:
    """Remember that a block was entered."""
    _newest[holding.key] = holding
    _here.set({**_here.get(), holding.key: holding})


def leave(holding: Holding) -> None:
    """Forget a block that was left, perhaps in another context than it was entered in."""
    if _newest.get(holding.key) is holding:
        del _newest[holding.key]
    if _here.get().get(holding.key) is holding:
        _here.set({key: each for key, each in _here.get().items() if each is not holding})


def find(store: Address, name: str) -> Holding | None:
    """Return the lease that the calling code has of an entry, None when it has none."""
    return _here.get().get((store, name)) or _newest.get((store, name))
