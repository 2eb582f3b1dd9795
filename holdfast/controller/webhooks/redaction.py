"""What may be seen of a delivery.

Owns: what is kept of headers, and what is shown of bodies.
Must not know: where deliveries are kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, Final

import msgspec

from holdfast.observe import SecretKeys, known_secrets

REDACTED: Final = "REDACTED"
HEADERS_MAX: Final = 100
HEADER_CHARACTERS_MAX: Final = 1_000


class Redaction:
    """Takes secrets out of what is kept and shown: by the name they are under, and by what they are."""

    def __init__(self, more_keys: Iterable[str] = ()) -> None:
        """Know the usual names, and `more_keys`."""
        self._keys = SecretKeys(more_keys)

    def headers(self, pairs: Iterable[tuple[bytes, bytes]], signatures: Sequence[str]) -> dict[str, str]:
        """Return headers as they may be kept; `signatures` are names of those that nobody may see."""
        kept: dict[str, str] = {}
        for raw_name, raw_value in pairs:
            name = raw_name.decode("latin-1").lower()
            if len(kept) >= HEADERS_MAX:
                break
            is_secret = name in signatures or bool(self._keys.label(name))
            kept[name] = REDACTED if is_secret else self.text(raw_value.decode("latin-1"))[:HEADER_CHARACTERS_MAX]
        return kept

    def body(self, body: bytes) -> Any:
        """Return a body as it may be shown: JSON; None where it is no JSON."""
        try:
            return self._value(msgspec.json.decode(body))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None

    def text(self, text: str) -> str:
        """Return a text without the secrets this process knows."""
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, REDACTED)
        return text

    @cached_property
    def _secrets(self) -> tuple[str, ...]:
        # Once: it looks through the whole environment, and modules register theirs when they are imported.
        return tuple(sorted(known_secrets(os.environ), key=len, reverse=True))

    def _value(self, value: Any) -> Any:
        match value:
            case str():
                return self.text(value)
            case list():
                return [self._value(each) for each in value]
            case dict():
                return {
                    self.text(key): REDACTED if self._keys.label(key) and each is not None else self._value(each)
                    for key, each in value.items()
                }
            case _:
                return value
