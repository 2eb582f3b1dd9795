"""What a task asked of outside systems and was answered, kept where its attempt came to nothing.

Owns: the shape of an exchange, and how a task's exchanges are stored.
Must not know: how calls are made, who serves a recording.

Headers and queries, which may be secret, are not in it. Bodies are as they were: who may read inputs may read these,
and a capture takes secrets out of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

EXCHANGES_MAX: Final = 20
"""How many of one attempt are kept: the first."""
EXCHANGE_BYTES_MAX: Final = 64 * 1024
"""A longer body is left out."""


class Exchange(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One call and its answer. Fields are only appended."""

    method: str
    url: str
    """Without its query, a name and a password."""
    status: int = 0
    """0 where there was no answer ..."""
    reason: str = ""
    """... for this reason."""
    headers: dict[str, str] = {}
    """Of the answer: those that say how to read it."""
    request: bytes = b""
    """The body that was sent."""
    body: bytes = b""
    """The body that came back."""
    cut: bool = False
    """The body that came back was too long, and is left out."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[Exchange, ...]).decode


def encode_exchanges(exchanges: Sequence[Exchange]) -> bytes:
    """Return exchanges as a store keeps them."""
    return _encode(tuple(exchanges))


def decode_exchanges(body: bytes) -> tuple[Exchange, ...]:
    """Return exchanges out of a store. Raises msgspec.ValidationError, msgspec.DecodeError."""
    return _decode(body)
