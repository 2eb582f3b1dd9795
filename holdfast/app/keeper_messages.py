"""What a process and its keeper say to each other: JSON, one message a line.

Owns: the messages and their form.
Must not know: when anything is said.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from holdfast.locks import Lease


class Setup(msgspec.Struct, frozen=True, tag="setup"):
    """To the keeper, first of all: where the leases are, and how long they last."""

    store: str
    """The store's address, as settings write it; a path in it is absolute."""
    synchronous: Literal["FULL", "NORMAL"]
    lease_seconds: float


class Hold(msgspec.Struct, frozen=True, tag="hold"):
    """To the keeper: renew this lease from now on."""

    lease: Lease


class Drop(msgspec.Struct, frozen=True, tag="drop"):
    """To the keeper: this lease is over."""

    token: int


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """From the keeper: it has renewed for the first time, and goes on."""


class Lost(msgspec.Struct, frozen=True, tag="lost"):
    """From the keeper: this lease could not be renewed, because it is somebody else's."""

    token: int


class Trouble(msgspec.Struct, frozen=True, tag="trouble"):
    """From the keeper: something failed, and is tried again."""

    text: str


ToKeeper: TypeAlias = Setup | Hold | Drop
FromKeeper: TypeAlias = Ready | Lost | Trouble

LINE_BYTES_MAX: Final = 1 << 20
"""Longest message; names of leases are far shorter."""

_encode: Final = msgspec.json.Encoder().encode
decode_to_keeper: Final = msgspec.json.Decoder(ToKeeper).decode
decode_from_keeper: Final = msgspec.json.Decoder(FromKeeper).decode


def encode_line(message: ToKeeper | FromKeeper) -> bytes:
    """Return a message as a line."""
    return _encode(message) + b"\n"
