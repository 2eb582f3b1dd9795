"""Which tables travel.

Owns: the list, and why the others stay.
Must not know: what is in them.

Members travel too, though none of them is alive any more: what a dead one had at hand is given to others by whoever
reaps it, on the new store as on the old one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

TRAVELLING: Final = (
    "members",
    "executions",
    "taken",
    "events",
    "tips",
    "blobs",
    "blob_uses",
    "inbox",
    "delivered",
    "deadlines",
    "children",
    "attributes",
    "memos",
    "changes",
    "task_queue",
    "rates",
    "rate_uses",
    "rate_holds",
    "touched_lines",
    "pools",
    "limit_rules",
    "fan_outs",
    "slices",
    "chunks",
    "outcomes",
    "exchanges",
    "lock_places",
    "ledger",
    "api_keys",
    "secrets",
    "audit",
    "notices",
    "deliveries",
    "idempotency",
    "schedules",
    "schedule_fires",
    "gatherings",
    "gathered",
    "model_calls",
    "model_days",
    "budgets",
    "model_answers",
    "streams",
    "stream_pieces",
    "contracts",
    "retirements",
)

STAYING: Final[Mapping[str, str]] = MappingProxyType(
    {
        "drifts": "what a host answers is seen anew from where the new store is; parked runs are resumed by name",
        "hosts": "it is learned again in no time, and where a new fleet stands may be another matter",
        "requests": "they expire in seconds, and whoever asked is told to ask again",
        "meta": "its counter travels at the head of the stream; the chain of commits belongs to the file",
        "losses": "they are the file's",
        "moved": "that is the file's, too",
        "migrations": "each database has its own",
        "marks": "the last minutes of writers that are gone",
        "warm_prefixes": "providers forget them soon; the first to ask finds out again",
        "refusals": "what members of the old store were refused",
    }
)
