"""The doorbells: one module for each way to ring everybody who listens to the same store.

Owns: nothing but the room.
Must not know: what anybody does when it rings.
"""

from holdfast.bus.local import LocalBus

__all__ = ["LocalBus"]
