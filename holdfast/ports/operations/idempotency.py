"""Requests that are carried out once, however often they are sent: idempotency keys.

Owns: the operations that note a request with what it does, and what is found when it comes again.
Must not know: HTTP, where a key came from, what a request looks like.
"""

from __future__ import annotations

from holdfast.ports.operations.base import Value
from holdfast.ports.operations.carrying import Carrying


class DoOnce(Carrying, frozen=True, kw_only=True):
    """Carry out an act under a key, once. Result: the act's; or DoneBefore.

    Refused with KeyReusedError when the key was used for another request, and with KeyInUseError while another process
    is about to do what it claimed. An act that is refused leaves the key free.

    Without an act the key is claimed for what is done elsewhere, until `claimed_until`: result True. `Settle` or
    `Unclaim` says what came of it.

    A key is kept while the newest execution of its run is open, and `keep_seconds` longer.
    """

    caller: str
    """Whose key it is: the same one of somebody else is another."""
    key: str
    fingerprint: bytes
    """Digest of what was asked for."""
    run_id: str
    keep_seconds: float
    claimed_until: float = 0.0
    other_fingerprints: tuple[bytes, ...] = ()
    """Further digests of the same: what it was, or will be, known by under other keys of encryption."""


class DoneBefore(Value, frozen=True):
    """What came of a request when it was carried out."""

    execution: str
    """The run's execution that was started or told."""
    created: bool
    """Whether it was made."""
    answer: bytes = b""
    """What was settled with, if that was kept."""
    caller: str = ""
    key: str = ""
    """Whose it is: an answer that is encrypted is so for its place."""
    run_id: str = ""


class Settle(Value, frozen=True):
    """Say that what a key was claimed for was done. Result: True, or False when the key is not claimed any more."""

    caller: str
    key: str
    answer: bytes
    """What to answer from now on; empty when it is too large to be kept."""


class Unclaim(Value, frozen=True):
    """Give a claimed key back: nothing was done. Result: as `Settle`."""

    caller: str
    key: str


class PruneKeys(Value, frozen=True):
    """Let go of keys whose runs ended before a time. Result: PrunedKeys."""

    before: float
    after: int = 0
    """Only keys noted later than this one: where the batch before ended."""
    keys: int = 10_000
    """How many keys are looked at."""


class PrunedKeys(Value, frozen=True):
    """What a batch let go."""

    keys: int
    next_after: int | None
    """`after` of the next batch; None when this was the last."""
