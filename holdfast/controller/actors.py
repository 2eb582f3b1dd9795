"""In whose name something is done.

Owns: that what somebody does is noted in the audit log under their name, and what nobody in particular does is not.
Must not know: how it is noted.
"""

from __future__ import annotations

from holdfast.client import audited
from holdfast.ports.engine import Engine
from holdfast.ports.store import Store


def engine_of(engine: Engine, by: str) -> Engine:
    """Return the engine as `by` uses it; empty is nobody in particular."""
    return engine.acting_as(by) if by else engine


def store_of(store: Store, by: str) -> Store:
    """Return the store as `by` writes to it; empty is nobody in particular."""
    return audited(store, by) if by else store
