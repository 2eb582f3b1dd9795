"""Temporal's histories, as Holdfast's and back.

Owns: its JSON in all dialects, and which of its events is which of ours.
Must not know: stores, engines, Temporal's SDK: a file is all there is.
"""

from holdfast.history.temporal.mapping import digest_of
from holdfast.history.temporal.outside import seed_of
from holdfast.history.temporal.past import ENCODING as PAST_ENCODING
from holdfast.history.temporal.past import PACKED_BYTES_MAX, PAST, CaughtUp, Past, PastLock, decided
from holdfast.history.temporal.past import pack as pack_past
from holdfast.history.temporal.past import unpack as unpack_past
from holdfast.history.temporal.queues import PINNED, QUEUE, pinned_queue_of, queue_of
from holdfast.history.temporal.sealing import KEY_ID, SEALED, Attributes, seal, unseal
from holdfast.history.temporal.telling import in_order
from holdfast.history.temporal.translation import ENGINE, from_temporal
from holdfast.history.temporal.writing import to_temporal

__all__ = [
    "ENGINE",
    "KEY_ID",
    "PACKED_BYTES_MAX",
    "PAST",
    "PAST_ENCODING",
    "PINNED",
    "QUEUE",
    "SEALED",
    "Attributes",
    "CaughtUp",
    "Past",
    "PastLock",
    "decided",
    "digest_of",
    "from_temporal",
    "in_order",
    "pack_past",
    "pinned_queue_of",
    "queue_of",
    "seal",
    "seed_of",
    "to_temporal",
    "unpack_past",
    "unseal",
]
