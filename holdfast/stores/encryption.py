"""AES-256-GCM over bodies, with keys that can be changed. The door to `cryptography`.

Owns: ciphers, how keys are written down and told apart.
Must not know: what is encrypted, where keys are kept.

Theory of operation
===================

    encrypted body = MARK, key id (4 bytes), salt (8), nonce (12), ciphertext and tag (16 more than the content)

The newest key encrypts, every known key decrypts. A key's id is a hash of the key, so that a body always says which key
it needs, and no id can be given to the wrong key.

Nobody encrypts with a key itself. Each codec, that is each process, draws a salt and derives a key of its own from it:
AES-GCM with random nonces is good for 2^32 bodies of one key (NIST SP 800-38D, 8.3), which a busy store writes in days.
After so many a new salt is drawn.

`encrypt_alike` takes the nonce from a keyed hash of place and content instead, under a derived key that nothing else
uses. Whoever reads the store can tell that two such bodies are alike, and nothing about what they say.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import msgspec

from holdfast.errors import EncryptionError, MissingExtraError, SettingsError
from holdfast.history import HASH_BYTES, KEY_ID_BYTES, MARK, is_encrypted, key_id_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
KEY_PREFIX: Final = "hfk_"
"""What a key begins with when it is written down: a scanner for leaked secrets can look for it."""

BODIES_MAX: Final = 2**32
"""How many bodies one derived key encrypts."""
CIPHERS_KEPT: Final = 1_024
"""How many derived keys are kept at hand; each process that ever wrote has at least one."""

SALT_BYTES: Final = 8
NONCE_BYTES: Final = 12

_HEADER: Final = len(MARK) + KEY_ID_BYTES + SALT_BYTES
_ALIKE: Final = bytes(SALT_BYTES)
"""The salt of what is encrypted alike."""


def new_key() -> str:
    """Return a new key, as it is written down."""
    return KEY_PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).decode().rstrip("=")


def parse_key(text: str, where: str) -> bytes:
    """Return the key that `text` writes down.

    Args:
        text: what `new_key` returned; white space around it does not matter.
        where: where it was found, for the error: the text itself must not be shown.

    Raises:
        SettingsError: it is none.
    """
    written = text.strip()
    try:
        key = base64.b64decode(written.removeprefix(KEY_PREFIX) + "=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES or not written.startswith(KEY_PREFIX):
        raise SettingsError(
            f"{where} holds no encryption key",
            f"A key begins with {KEY_PREFIX}. Make one: holdfast encryption new-key",
        )
    return key


class AesGcmCodec:
    """Encrypts with the first of its keys, decrypts with all of them. Implements `holdfast.history.Codec`."""

    def __init__(self, keys: Sequence[bytes], draw: Callable[[int], bytes] = secrets.token_bytes) -> None:
        """Know `keys`, the newest first.

        Args:
            keys: 32 bytes each; at least one.
            draw: returns so many random bytes.

        Raises:
            MissingExtraError: the extra `encryption` is not installed.
        """
        self._make = _door()
        self._draw = draw
        self._keys = {_key_id(key): key for key in keys}
        newest = keys[0]
        self._newest = _key_id(newest)
        self._nonce_key = _derive(newest, _ALIKE, b"nonces")
        self._digest_keys = [_derive(key, _ALIKE, b"digests") for key in keys]
        self._ciphers: dict[bytes, AESGCM] = {}
        self._alike = MARK + self._newest + _ALIKE
        self._left = 0
        self._header = b""

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Ids of the keys, the newest first."""
        return tuple(each.hex() for each in self._keys)

    def encrypt(self, content: bytes, place: bytes) -> bytes:
        """Return `content`, readable only with the key, and only at `place`."""
        if self._left <= 0:
            self._header = MARK + self._newest + self._draw(SALT_BYTES)
            self._left = BODIES_MAX
        self._left -= 1
        nonce = self._draw(NONCE_BYTES)
        return self._header + nonce + self._cipher(self._header).encrypt(nonce, content, place)

    def encrypt_alike(self, content: bytes, place: bytes) -> bytes:
        """As `encrypt`; the same content at the same place gives the same bytes each time."""
        hashed = blake2b(len(place).to_bytes(8, "big"), key=self._nonce_key, digest_size=NONCE_BYTES)
        hashed.update(place)
        hashed.update(content)
        nonce = hashed.digest()
        return self._alike + nonce + self._cipher(self._alike).encrypt(nonce, content, place)

    def decrypt(self, content: bytes, place: bytes) -> bytes:
        """Return what was encrypted for `place`; what is not encrypted as it is.

        Raises:
            EncryptionError: the key is not known, or this was not encrypted for this place.
        """
        if not is_encrypted(content):
            return content
        cipher = self._cipher(content[:_HEADER])
        nonce = content[_HEADER : _HEADER + NONCE_BYTES]
        try:
            return cipher.decrypt(nonce, content[_HEADER + NONCE_BYTES :], place)
        except Exception as error:
            # InvalidTag, or a ValueError where so much was cut off that it is not even the right shape.
            reason = "it was changed, or put where something else belongs"
            raise EncryptionError(_readable(place), key_id_of(content), reason) from error

    def digests(self, digest: bytes) -> tuple[bytes, ...]:
        """Return what may stand for `digest` in a store: what is written first, then what was written earlier."""
        keyed = [blake2b(digest, key=key, digest_size=HASH_BYTES).digest() for key in self._digest_keys]
        return (*keyed, digest)

    def _cipher(self, header: bytes) -> AESGCM:
        cipher = self._ciphers.get(header)
        if cipher is None:
            key = self._keys.get(header[len(MARK) : len(MARK) + KEY_ID_BYTES])
            if key is None:
                known = f"the keys of this process are {', '.join(self.key_ids)}"
                raise EncryptionError("what is stored", key_id_of(header), known)
            if len(self._ciphers) >= CIPHERS_KEPT:
                self._ciphers.clear()
            cipher = self._ciphers[header] = self._make(_derive(key, header[-SALT_BYTES:], b"bodies"))
        return cipher


def _key_id(key: bytes) -> bytes:
    return blake2b(key, digest_size=KEY_ID_BYTES, person=b"holdfast key id").digest()


def _derive(key: bytes, salt: bytes, use: bytes) -> bytes:
    return blake2b(key=key, salt=salt, person=b"holdfast " + use, digest_size=KEY_BYTES).digest()


def _readable(place: bytes) -> str:
    kind, *names = msgspec.msgpack.decode(place)
    return f"{kind} {'/'.join(str(each) for each in names)}".rstrip()


def _door() -> type[AESGCM]:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        raise MissingExtraError("Encryption", "encryption") from None
    return AESGCM
