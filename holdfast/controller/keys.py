"""API keys and what they allow.

Owns: scopes, how a key looks, how its secret is hashed, who a secret belongs to.
Must not know: HTTP, routes, where keys are kept (`keyring`).

A key is `hf_` and 256 random bits, so its hash needs no salt and no stretching: there is nothing to guess. It is shown
once; the store keeps the hash. A key that is renewed has two secrets for a while, so that whoever uses it can be told
the new one in peace.
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

from holdfast.controller.quota import Rate, parse_rate
from holdfast.errors import InputError, SettingsError
from holdfast.ports.operations import KeyRecord, PutKey, RotateKey

KEY_PREFIX: Final = "hf_"
KEY_BYTES: Final = 32
KEY_CHARACTERS: Final = 43
"""How many base-62 digits KEY_BYTES take."""
OVERLAP_SECONDS_MAX: Final = 90 * 86_400
"""How long a secret may stay good after its key was renewed."""
OVERLAP_SECONDS: Final = 3600.0
"""How long it does where nobody says."""
WORKFLOWS_MAX: Final = 100
"""How many workflows a key can be for, unless it is for all."""
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
    workflows: frozenset[str] = frozenset()
    """The only workflows it has to do with; none is all of them."""
    rate: Rate | None = None
    """How many requests it may make, if that was said of it."""

    @property
    def actor(self) -> str:
        """What it is called in the audit log."""
        return LOCAL if self == ANYBODY else self.name

    @property
    def is_restricted(self) -> bool:
        """Whether it has to do with some workflows only."""
        return bool(self.workflows)

    def may_see(self, workflow: str) -> bool:
        """Say whether it has anything to do with a workflow and its runs."""
        return not self.workflows or workflow in self.workflows

    def may(self, scope: Scope) -> bool:
        """Say whether it is allowed to do what needs `scope`."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


LOCAL: Final = "local"
"""What whoever that is is called in the audit log."""
ANYBODY: Final = Principal("anybody", frozenset({Scope.ADMIN}))
"""Whoever reaches this machine's loopback address while there are no keys."""


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key: its secret, which is shown once, and what is stored."""

    secret: str
    stored: PutKey


@dataclass(frozen=True, slots=True)
class RenewedKey:
    """Another secret for a key, which is shown once, and what is stored."""

    secret: str
    stored: RotateKey


def issue_key(
    name: str,
    scopes: Iterable[Scope],
    expires_at: float | None = None,
    draw: Callable[[int], bytes] = secrets.token_bytes,
    *,
    workflows: Iterable[str] = (),
    rate_limit: str = "",
) -> IssuedKey:
    """Make a key.

    Args:
        name: names it for people.
        scopes: what it allows; at least one.
        expires_at: seconds since the epoch, None for never.
        draw: gives random bytes.
        workflows: the only ones it is for; none is all of them.
        rate_limit: how many requests it may make, such as `600/m`; empty leaves it to the setting.

    Raises:
        InputError: the name, the scopes, the workflows or the rate do not fit.
    """
    names = tuple(dict.fromkeys(workflows))
    wanted = tuple(dict.fromkeys(Scope(each).value for each in scopes))
    problems = []
    if not NAME.fullmatch(name):
        problems.append(("/name", "expected 1 to 100 letters, digits, '.', '_' or '-', the first a letter or digit"))
    if name in {ANYBODY.name, LOCAL}:
        problems.append(("/name", f"{name!r} stands for whoever needs no key"))
    if not wanted:
        problems.append(("/scopes", f"expected at least one of {', '.join(Scope)}"))
    if len(names) > WORKFLOWS_MAX or not all(names):
        problems.append(("/workflows", f"expected at most {WORKFLOWS_MAX} names of workflows (WORKFLOWS_MAX)"))
    try:
        parse_rate(rate_limit)
    except SettingsError as error:
        problems.append(("/rate_limit", error.message()))
    if problems:
        raise InputError("the key", tuple(problems))
    secret = _draw_secret(draw)
    return IssuedKey(secret, PutKey(name, hash_secret(secret), wanted, expires_at, names, rate_limit))


def renew_key(name: str, overlap_seconds: float, draw: Callable[[int], bytes] = secrets.token_bytes) -> RenewedKey:
    """Make another secret for the key called `name`; the one it has stays good for `overlap_seconds`.

    Raises:
        InputError: the time is negative or longer than OVERLAP_SECONDS_MAX.
    """
    if not 0 <= overlap_seconds <= OVERLAP_SECONDS_MAX:
        raise InputError("the key", (("/overlap_seconds", f"expected 0 to {OVERLAP_SECONDS_MAX:,} seconds"),))
    secret = _draw_secret(draw)
    return RenewedKey(secret, RotateKey(name, hash_secret(secret), overlap_seconds))


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
        newest = compare_digest(presented, each.key_hash)
        older = compare_digest(presented, each.old_hash or bytes(len(presented)))
        if newest or (older and each.old_hash and now < each.old_until):
            found = each
    return None if found is None else principal_of(found, now)


def principal_of(record: KeyRecord, now: float) -> Principal | None:
    """Return whom a key stands for; None when it is revoked or expired."""
    if record.revoked or (record.expires_at is not None and record.expires_at <= now):
        return None
    return Principal(record.name, frozenset(record.scopes), frozenset(record.workflows), parse_rate(record.rate_limit))


def _draw_secret(draw: Callable[[int], bytes]) -> str:
    return KEY_PREFIX + _base62(draw(KEY_BYTES))


def _base62(data: bytes) -> str:
    number = int.from_bytes(data, "big")
    digits = []
    for _ in range(KEY_CHARACTERS):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
