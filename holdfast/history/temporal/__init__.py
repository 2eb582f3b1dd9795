"""Temporal's histories, as Holdfast's and back.

Owns: its JSON in all dialects, and which of its events is which of ours.
Must not know: stores, engines, Temporal's SDK: a file is all there is.
"""

from holdfast.history.temporal.mapping import digest_of
from holdfast.history.temporal.outside import seed_of
from holdfast.history.temporal.queues import PINNED, QUEUE, pinned_queue_of, queue_of
from holdfast.history.temporal.telling import in_order
from holdfast.history.temporal.translation import ENGINE, from_temporal
from holdfast.history.temporal.writing import to_temporal

__all__ = [
    "ENGINE",
    "PINNED",
    "QUEUE",
    "digest_of",
    "from_temporal",
    "in_order",
    "pinned_queue_of",
    "queue_of",
    "seed_of",
    "to_temporal",
]
