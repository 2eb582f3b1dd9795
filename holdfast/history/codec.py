"""How what is stored is kept from whoever has the store and no key.

Owns: the port of a codec, what an encrypted body looks like from outside, the names of places.
Must not know: ciphers, keys, where they come from.

An encrypted body begins with MARK and the id of its key. Nothing else that is stored begins so: JSON text is UTF-8,
which has no byte 0xC1, and msgpack does not use it. So bodies from before a store was encrypted stay readable, and
whoever has no key sees that one is needed.

Each body is encrypted for its *place*: what it is, and of what. Decrypting it for another place fails, so one body
cannot be put where another belongs.
"""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from holdfast.errors import EncryptionError

MARK: Final = b"\xc1\x01"
"""First bytes of everything that is encrypted. The second one numbers the format."""

KEY_ID_BYTES: Final = 4

_encode: Final = msgspec.msgpack.Encoder().encode


class Codec(Protocol):
    """Encrypts bodies on their way into a store, and decrypts them on their way out. None in its place leaves them."""

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Ids of the keys it knows, the newest first."""

    def encrypt(self, content: bytes, place: bytes) -> bytes:
        """Return `content`, readable only with the key, and only at `place`."""

    def encrypt_alike(self, content: bytes, place: bytes) -> bytes:
        """As `encrypt`; the same content at the same place gives the same bytes each time."""

    def decrypt(self, content: bytes, place: bytes) -> bytes:
        """Return what was encrypted for `place`; what is not encrypted as it is.

        Raises:
            EncryptionError: the key is not known, or this was not encrypted for this place.
        """

    def digests(self, digest: bytes) -> tuple[bytes, ...]:
        """Return what may stand for `digest` in a store: what is written first, then what was written earlier."""


def place_of(kind: str, *names: str | int) -> bytes:
    """Return the place of a body: what it is, and of what."""
    return _encode((kind, *names))


def page_place(run_id: str, execution: str, first: int) -> bytes:
    """Return the place of the page that begins with event `first`.

    The first page is sealed before its execution has a number, so it is bound to the run alone.
    """
    return place_of("page", run_id if first == 1 else execution, first)


BLOB_PLACE: Final = place_of("blob")
"""The place of payloads outside their pages. They may have many; their hash, in each page, says which belongs there."""


def is_encrypted(content: bytes) -> bool:
    """Say whether a stored body is encrypted."""
    return content[:2] == MARK


def key_id_of(content: bytes) -> str:
    """Return the id of the key that an encrypted body needs."""
    return content[len(MARK) : len(MARK) + KEY_ID_BYTES].hex()


def decrypted(content: bytes, codec: Codec | None, place: bytes, what: str) -> bytes:
    """Return a stored body as it was before it was encrypted, if it was.

    Raises:
        EncryptionError: it cannot be decrypted with what `codec` knows; `what` names it.
    """
    if content[:2] != MARK:
        return content
    if codec is None:
        raise EncryptionError(what, key_id_of(content), NO_KEY)
    return codec.decrypt(content, place)


FILE_PLACE: Final = b"history file"
"""The place of an exported history: it is no page of any store, and no page is a file."""

NO_KEY: Final = "this process has no keys"
