"""API keys and what they allow.

Owns: scopes, how a key looks, how its secret is hashed, who a secret belongs to.
Must not know: HTTP, routes.

A key is `hf_` and 256 random bits, so its hash needs no salt and no stretching: there is nothing to guess. It is shown
once; the store keeps the hash. Keys are read again when what is in memory is more than a second old, so that is how
long a revoked key may still work elsewhere.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from hmac import compare_digest
from typing import Final

from holdfast.errors import HoldfastError, InputError, UnknownNameError
from holdfast.ports.clock import Clock
from holdfast.ports.operations import KeyRecord, PutKey, RevokeKey
from holdfast.ports.store import Store

KEY_PREFIX: Final = "hf_"
KEY_BYTES: Final = 32
KEY_CHARACTERS: Final = 43
"""How many base-62 digits KEY_BYTES take."""
CACHE_SECONDS: Final = 1.0
"""How old the keys in memory may be."""
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""A key's name is part of a path."""

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Scope(StrEnum):
    """What a key may be used for. `admin` allows everything; the others allow only themselves."""

    READ = "read"
    START = "start"
    SIGNAL = "signal"
    OPERATE = "operate"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a request comes from."""

    name: str
    scopes: frozenset[str]

    def may(self, scope: Scope) -> bool:
        """Say whether it is allowed to do what needs `scope`."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


ANYBODY: Final = Principal("anybody", frozenset({Scope.ADMIN}))
"""Whoever reaches this machine's loopback address while there are no keys."""


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key: its secret, which is shown once, and what is stored."""

    secret: str
    stored: PutKey


def issue_key(
    name: str,
    scopes: Iterable[Scope],
    expires_at: float | None = None,
    draw: Callable[[int], bytes] = secrets.token_bytes,
) -> IssuedKey:
    """Make a key.

    Args:
        name: names it for people.
        scopes: what it allows; at least one.
        expires_at: seconds since the epoch, None for never.
        draw: gives random bytes.

    Raises:
        InputError: the name or the scopes do not fit.
    """
    wanted = tuple(dict.fromkeys(Scope(each).value for each in scopes))
    problems = []
    if not NAME.fullmatch(name):
        problems.append(("/name", "expected 1 to 100 letters, digits, '.', '_' or '-', the first a letter or digit"))
    if not wanted:
        problems.append(("/scopes", f"expected at least one of {', '.join(Scope)}"))
    if problems:
        raise InputError("the key", tuple(problems))
    secret = KEY_PREFIX + _base62(draw(KEY_BYTES))
    return IssuedKey(secret, PutKey(name, hash_secret(secret), wanted, expires_at))


def hash_secret(secret: str) -> bytes:
    """Return what the store keeps of a key's secret."""
    return blake2b(secret.encode("utf-8", "surrogateescape"), digest_size=32, person=b"holdfast api key").digest()


def find_principal(records: Iterable[KeyRecord], secret: str, now: float) -> Principal | None:
    """Return whom a secret belongs to; None when it is nobody's, revoked or expired.

    Takes the same time whichever key it is.
    """
    presented = hash_secret(secret)
    found: KeyRecord | None = None
    for each in records:
        if compare_digest(presented, each.key_hash):
            found = each
    if found is None or found.revoked or (found.expires_at is not None and found.expires_at <= now):
        return None
    return Principal(found.name, frozenset(found.scopes))


def _base62(data: bytes) -> str:
    number = int.from_bytes(data, "big")
    digits = []
    for _ in range(KEY_CHARACTERS):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))


class Keyring:
    """The keys of a store, remembered for a second."""

    def __init__(self, store: Store, clock: Clock) -> None:
        """Read keys from `store`."""
        self._store = store
        self._clock = clock
        self._records: list[KeyRecord] = []
        self._read_at: float | None = None

    async def records(self) -> list[KeyRecord]:
        """Return all keys, revoked ones included; at most CACHE_SECONDS old."""
        now = self._clock.now()
        if self._read_at is None or not 0 <= now - self._read_at < CACHE_SECONDS:
            self._records = await self._store.keys()
            self._read_at = now
        return self._records

    async def exist(self) -> bool:
        """Say whether a key was ever made.

        A revoked or expired key counts: taking the last key away must not open the door.
        """
        return bool(await self.records())

    async def identify(self, secret: str) -> Principal | None:
        """Return whom a secret belongs to, or None."""
        return find_principal(await self.records(), secret, self._clock.now())

    async def create(self, name: str, scopes: Iterable[Scope], expires_at: float | None = None) -> IssuedKey:
        """Make a key and store its hash.

        Raises:
            InputError: the name or the scopes do not fit, or it would have expired already.
            RunConflictError: the name is taken.
        """
        if expires_at is not None and expires_at <= self._clock.now():
            raise InputError("the key", (("/expires_at", "is over already"),))
        issued = issue_key(name, scopes, expires_at)
        (result,) = await self._store.write([issued.stored])
        if isinstance(result, HoldfastError):
            raise result
        self._read_at = None
        return issued

    async def revoke(self, name: str) -> None:
        """Make a key invalid for good.

        Raises:
            UnknownNameError: there is none of this name.
        """
        (found,) = await self._store.write([RevokeKey(name)])
        self._read_at = None
        if not found:
            raise UnknownNameError("API key", name, tuple(each.name for each in await self.records()))
