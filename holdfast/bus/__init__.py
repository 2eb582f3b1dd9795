"""The doorbells: one module for each way to ring everybody who listens to the same store.

Owns: nothing but the room.
Must not know: what anybody does when it rings.

    local      this process, and others on this machine
    remote     others anywhere, by way of an exchange
    redis      an exchange: Pub/Sub of a Redis
    notify     an exchange: NOTIFY of a PostgreSQL

The drivers are imported when they are used.
"""

from holdfast.bus.exchange import CutOffError, Exchange, RefusedError
from holdfast.bus.local import LocalBus
from holdfast.bus.notify import NotifyExchange
from holdfast.bus.redis import RedisExchange
from holdfast.bus.remote import RemoteBus, ring_through

__all__ = [
    "CutOffError",
    "Exchange",
    "LocalBus",
    "NotifyExchange",
    "RedisExchange",
    "RefusedError",
    "RemoteBus",
    "ring_through",
]
