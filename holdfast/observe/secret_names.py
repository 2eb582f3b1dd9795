"""Names whose values are secret, such as `password` and `X-Api-Key`.

Owns: the names, how a key is compared with them, and what a placeholder looks like.
Must not know: values.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

PLACEHOLDER: Final = re.compile(r"REDACTED(?:-[a-z0-9]+)*-\d+")
"""What stands in a secret's place: it is none itself."""

ANYWHERE: Final = frozenset(
    {"password", "passwords", "passwd", "passphrase", "passcode", "secret", "secrets", "credential", "credentials"}
)
"""A key with one of these words is secret, such as `db_password_old`, unless it ends in one of HARMLESS."""

ENDINGS: Final = frozenset(
    {
        ("access", "key"),
        ("access", "key", "id"),
        ("api", "key"),
        ("apikey",),
        ("apitoken",),
        ("authorization",),
        ("bearer",),
        ("card", "number"),
        ("client", "key"),
        ("connection", "string"),
        ("cookie",),
        ("cookies",),
        ("csrf",),
        ("cvc",),
        ("cvv",),
        ("cvv2",),
        ("dsn",),
        ("encryption", "key"),
        ("iban",),
        ("jwt",),
        ("master", "key"),
        ("otp",),
        ("pass",),
        ("pin",),
        ("private", "key"),
        ("pwd",),
        ("sessid",),
        ("session", "id"),
        ("session", "key"),
        ("sessionid",),
        ("sig",),
        ("signature",),
        ("signing", "key"),
        ("ssn",),
        ("token",),
        ("xsrf",),
    }
)
"""A key that ends in one of these is secret: `refresh_token` is, `token_count` and `max_tokens` are not."""

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_LONGEST: Final = 3
_KEY_CHARACTERS_MAX: Final = 100


def words_of(key: str) -> tuple[str, ...]:
    """Return the words of a key, whichever way they are joined: `X-Api-Key`, `apiKey`, `api_key`."""
    return tuple(each.lower() for each in _WORD.findall(key))


HARMLESS: Final = frozenset(
    words_of(
        "age at changed count enabled expires expiry fields file format hint id length level limit max min name names "
        "path policy prompt required seconds size status strength type types url valid version"
    )
)
"""What is under `password_length` is no password."""


class SecretKeys:
    """Tells keys whose values are secret from others."""

    def __init__(self, more: Iterable[str] = ()) -> None:
        """Know the names of this module, and `more`, which count as endings."""
        self._endings = ENDINGS | {words_of(each) for each in more}
        self._longest = max(_LONGEST, *map(len, self._endings))
        self.label = lru_cache(maxsize=4_096)(self._label)

    def _label(self, key: str) -> str:
        """Return what the secret under `key` is called, such as `api-key`; empty when it is none."""
        if not key or len(key) > _KEY_CHARACTERS_MAX or PLACEHOLDER.search(key):
            return ""
        words = words_of(key)
        for length in range(1, min(self._longest, len(words)) + 1):
            if words[-length:] in self._endings:
                return "-".join(words[-length:])
        if words and words[-1] not in HARMLESS:
            return next((each for each in words if each in ANYWHERE), "")
        return ""
