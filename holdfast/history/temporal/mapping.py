"""The fan-outs of a run of ours on Temporal, while its history is read.

Owns: what came of each item, and when a fan-out is over.
Must not know: events, files. The form of what a chunk says is that of `holdfast.temporal.mapping`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Final

import msgspec

from holdfast.history.failures import Failure
from holdfast.history.transcript import ItemOutcome

_encode_failure: Final = msgspec.msgpack.Encoder().encode


class FanOutNote(msgspec.Struct, frozen=True):
    """What the header of a chunk says of the fan-out that it is a part of."""

    step: str
    count: int
    digest: str
    """Of all items, in hexadecimal digits."""
    failures_max: int
    """How many items may fail before the fan-out is given up; -1 is "any number"."""


class ChunkCall(msgspec.Struct, frozen=True):
    """What a chunk is called with."""

    items: tuple[tuple[int, int, msgspec.Raw], ...]
    """Index, attempt and input of each item."""

    @property
    def indices(self) -> tuple[int, ...]:
        """Which items it is to do."""
        return tuple(index for index, _, _ in self.items)


class ChunkResult(msgspec.Struct, frozen=True):
    """What came of a chunk; items that it says nothing of are another one's."""

    done: tuple[tuple[int, bool, msgspec.Raw], ...]
    """Index, whether it went well, and the result or the failure as JSON text."""

    def outcomes(self) -> list[tuple[int, ItemOutcome]]:
        """Return them by index. Raises msgspec.MsgspecError."""
        return [(index, bytes(body) if ok else _decode_failure(body)) for index, ok, body in self.done]


class FanOutRead:
    """One fan-out, as far as its history is read."""

    def __init__(self, note: FanOutNote) -> None:
        """Know of no outcome yet."""
        self.note = note
        self.is_wanted = True
        """Whether the code waits for it still."""
        self._outcomes: dict[int, ItemOutcome] = {}
        self._failed = 0

    def take(self, outcomes: Iterable[tuple[int, ItemOutcome]]) -> bool:
        """Take what came of some items; say whether that ends the fan-out."""
        if not self.is_wanted:
            return False
        for index, outcome in outcomes:
            if index not in self._outcomes:
                self._outcomes[index] = outcome
                self._failed += isinstance(outcome, Failure)
        given_up = 0 <= self.note.failures_max < self._failed
        self.is_wanted = not given_up and len(self._outcomes) < self.note.count
        return not self.is_wanted

    @property
    def outcomes(self) -> dict[int, ItemOutcome]:
        """What came of items, by index; not all of them where too many have failed."""
        return dict(sorted(self._outcomes.items()))


def digest_of(outcomes: Mapping[int, tuple[bool, bytes]]) -> bytes:
    """Return the hash of outcomes in their order, as stores have it; failures are encoded."""
    digest = blake2b(digest_size=16)
    for ok, body in outcomes.values():
        digest.update(b"%c%b%b" % (ok, len(body).to_bytes(8, "big"), body))
    return digest.digest()


def encoded(outcome: ItemOutcome) -> tuple[bool, bytes]:
    """Return an outcome as stores have it."""
    return (False, _encode_failure(outcome)) if isinstance(outcome, Failure) else (True, outcome)


_decode_failure: Final = msgspec.json.Decoder(Failure).decode
