"""Log-ins: a browser shows its API key once, and is known for some hours.

Owns: what stands for a key afterwards, how long, and the stamps of forms.
Must not know: HTTP, cookies, pages.

    token = base64url(JSON [name of the key, when it expires, nonce]) . base64url(HMAC-SHA256)

The signature is made with a secret of the store's and the hash of the key's own secret, so nothing has to be kept for a
session: every controller on the store knows it, before and after a restart. It ends with its key: one that is revoked,
expires, or was renewed more than its overlap ago takes its sessions along. The key itself is not in it.

A form carries a stamp that is made from its session's token: only a page that was served to that session has it.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Iterator
from typing import Final

import msgspec

from holdfast.controller.keyring import Keyring
from holdfast.controller.keys import Principal, hash_secret, principal_of
from holdfast.ports.clock import Clock
from holdfast.ports.operations import KeepSecret, KeyRecord
from holdfast.ports.store import Store

SESSION_SECONDS: Final = 12 * 3600
"""How long a log-in lasts."""
TOKEN_CHARACTERS_MAX: Final = 1_000
SECRET_NAME: Final = "sessions"  # noqa: S105 - the name of one
SECRET_BYTES: Final = 32
NONCE_BYTES: Final = 9

_decode: Final = msgspec.json.Decoder(tuple[str, float, str]).decode


class Sessions:
    """Makes sessions from keys, and knows them again."""

    seconds: Final = SESSION_SECONDS
    """How long a log-in lasts."""

    def __init__(self, keyring: Keyring, store: Store, clock: Clock) -> None:
        """Ask `keyring` for keys; `store` keeps the secret."""
        self._keyring = keyring
        self._store = store
        self._clock = clock
        self._secret: bytes | None = None

    async def begin(self, key: str) -> str | None:
        """Return the token of a new session for an API key; None when the key is nobody's, revoked or expired."""
        principal = await self._keyring.identify(key)
        if principal is None:
            return None
        nonce = secrets.token_urlsafe(NONCE_BYTES)
        expires_at = self._clock.now() + SESSION_SECONDS
        content = _encode64(msgspec.json.encode((principal.name, expires_at, nonce)))
        return f"{content}.{_encode64(await self._signature(content, hash_secret(key)))}"

    async def identify(self, token: str) -> Principal | None:
        """Return whose session a token is; None when it is nobody's, or over."""
        content, _, signature = token.partition(".")
        if len(token) > TOKEN_CHARACTERS_MAX or not token.isascii():
            return None
        try:
            given = base64.urlsafe_b64decode(signature + "==")
            name, expires_at, _ = _decode(base64.urlsafe_b64decode(content + "=="))
        except (binascii.Error, ValueError, msgspec.MsgspecError):
            return None
        now = self._clock.now()
        if now >= expires_at:
            return None
        record = next((each for each in await self._keyring.records() if each.name == name), None)
        if record is None:
            return None
        for key_hash in _hashes(record, now):
            if hmac.compare_digest(given, await self._signature(content, key_hash)):
                return principal_of(record, now)
        return None

    async def stamp(self, token: str) -> str:
        """Return what forms of a session carry; an empty token is that of whoever needs no log-in."""
        return _encode64(await self._signature(f"form {token}", b""))

    async def _signature(self, content: str, key_hash: bytes) -> bytes:
        if self._secret is None:
            drawn = secrets.token_bytes(SECRET_BYTES)
            (self._secret,) = await self._store.write([KeepSecret(SECRET_NAME, drawn)])
        assert self._secret is not None
        return hmac.digest(self._secret, content.encode() + b"\0" + key_hash, "sha256")


def _hashes(record: KeyRecord, now: float) -> Iterator[bytes]:
    yield record.key_hash
    if record.old_hash and now < record.old_until:
        yield record.old_hash


def _encode64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
