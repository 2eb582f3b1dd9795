"""Deliveries: what webhooks were sent, and what came of it.

Owns: noting them, together with what they start or signal; reading and forgetting them.
Must not know: signatures, what a delivery says.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from holdfast.ports.operations.base import Value
from holdfast.ports.operations.carrying import Carrying

REFUSED_DELIVERIES_MAX: Final = 1_000
"""How many refused deliveries are kept: whoever forges them must not fill the disk."""

UNDER_WAY: Final = "it is being carried out; where this stays, its process died, and it is carried out again"
"""The reason of one that has failed only as long as nothing came of it elsewhere."""


class DeliveryState(StrEnum):
    """What came of a delivery."""

    ACCEPTED = "accepted"
    """A run was started, or signalled."""
    IGNORED = "ignored"
    """It was genuine, and there was nothing to do about it."""
    FAILED = "failed"
    """It was genuine, and no run and no signal could be made of it. Sent again, it is tried again."""
    REFUSED = "refused"
    """It was not genuine, or not new."""


class NoteDelivery(Carrying, frozen=True):
    """Note a delivery, and carry out what it means, once. Result: NotedDelivery; or the error `act` was refused with.

    A delivery is known by `webhook` and `key`. One that was accepted or ignored before is not carried out again, and
    the result is what it was then. One that failed before is tried again. When another body came under the same key, or
    the same body under another key although nothing binds the two (`is_bound`), it is refused and noted so. An `act`
    that is refused makes it failed.
    """

    webhook: str
    key: str
    """Names the delivery; empty for one of which nothing is believed."""
    digest: bytes
    """What tells its body from others."""
    state: str = DeliveryState.ACCEPTED
    """What it is when there is no `act`, or `act` is carried out."""
    reason: str = ""
    event: str = ""
    headers: bytes = b""
    """Encoded headers, without secrets; the controller's business."""
    body: bytes = b""
    body_bytes: int = 0
    """How long the body was; of one that is refused, less may be kept."""
    is_bound: bool = True
    again: bool = False
    """Somebody wants it carried out again: also one that was ignored."""
    other_digests: tuple[bytes, ...] = ()
    """Further digests of the same body: what it was, or will be, known by under other keys."""
    run_id: str = ""
    """The run that it became, where it was carried out elsewhere."""


class NotedDelivery(Value, frozen=True):
    """What came of a delivery."""

    delivery_id: int
    state: str
    run_id: str = ""
    reason: str = ""
    is_repeated: bool = False
    """It was there before, and nothing was done now."""


class PruneDeliveries(Value, frozen=True):
    """Forget deliveries that came before a time; sent again they are new. Result: how many were forgotten (int)."""

    before: float
    limit: int = 1_000
    """How many at most."""


class DeliveryRecord(Value, frozen=True):
    """A delivery in the inbox. Lists leave out headers and body."""

    delivery_id: int
    webhook: str
    key: str
    state: str
    """A DeliveryState."""
    reason: str
    event: str
    received_at: float
    decided_at: float
    """When it was tried last."""
    attempts: int
    run_id: str
    body_bytes: int
    headers: bytes = b""
    body: bytes = b""


class DeliveryFilter(Value, frozen=True):
    """Which deliveries are meant. All that is given has to hold."""

    webhook: str | None = None
    state: str | None = None
    run_id: str | None = None
    received_from: float | None = None
    received_before: float | None = None
