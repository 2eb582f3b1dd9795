"""What all signatures have in common: headers, times, and comparing.

Owns: which headers are read at all, when a time is about now, when a signature is right.
Must not know: who signs how.

Everything here is given what strangers wrote, and answers with SignatureError whatever that was. The reason in it is
for the inbox; a caller gets the same answer for all of them.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64decode
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from holdfast.errors import SignatureError
from holdfast.ports.webhooks import HeaderPairs

SIGNATURES_MAX: Final = 10
"""How many signatures one delivery may come with."""
HEADER_CHARACTERS_MAX: Final = 4_096
"""How long a header that is read may be."""
ID_CHARACTERS_MAX: Final = 200

_TIMESTAMP: Final = re.compile(r"[1-9][0-9]{0,11}")
_ID: Final = re.compile(r"[\x21-\x7e]{1,200}")
_HEX: Final = re.compile(r"(?:[0-9a-f]{2}){1,128}|(?:[0-9A-F]{2}){1,128}")
_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


class Headers:
    """The headers of a request, as far as verifiers read them."""

    __slots__ = ("_values",)

    def __init__(self, headers: HeaderPairs) -> None:
        """Read a mapping, or (name, value) pairs."""
        self._values: dict[str, list[str]] = {}
        for name, value in headers.items() if isinstance(headers, Mapping) else headers:
            self._values.setdefault(_text(name).lower(), []).append(_text(value))

    def find(self, name: str) -> str | None:
        """Return a header's value, None where there is none.

        Raises:
            SignatureError: it is there more than once, or is no readable ASCII text.
        """
        found = self._values.get(name.lower())
        if found is None:
            return None
        if len(found) > 1:
            raise SignatureError(f"header {name} was sent {len(found)} times")
        (value,) = found
        if len(value) > HEADER_CHARACTERS_MAX:
            raise SignatureError(f"header {name} is longer than {HEADER_CHARACTERS_MAX:,} characters")
        if not value.isascii() or not value.isprintable():
            raise SignatureError(f"header {name} has characters that are not printable ASCII")
        return value

    def get(self, name: str) -> str:
        """Return a header's value. Raises SignatureError: as `find`, or it is not there."""
        value = self.find(name)
        if value is None:
            raise SignatureError(f"there is no header {name}")
        return value

    def get_id(self, name: str) -> str:
        """Return the delivery id in a header. Raises SignatureError."""
        value = self.get(name)
        if _ID.fullmatch(value) is None:
            raise SignatureError(f"header {name} is no id: expected 1 to {ID_CHARACTERS_MAX} characters, no spaces")
        return value


def read_time(text: str, now: datetime, tolerance_seconds: float) -> datetime:
    """Return when something was signed, if that was about now.

    Args:
        text: seconds since the epoch, as they were signed.
        now: the time, with a zone.
        tolerance_seconds: how long ago, and how far ahead, it may have been.

    Raises:
        SignatureError: it is no time, or too far from now.
    """
    if _TIMESTAMP.fullmatch(text) is None:
        raise SignatureError("the timestamp is no number of seconds since the epoch")
    age = now.timestamp() - int(text)
    if age > tolerance_seconds:
        raise SignatureError(f"stale: signed {age:,.0f} s ago, and {tolerance_seconds:g} s are taken (tolerance)")
    if -age > tolerance_seconds:
        raise SignatureError(f"signed {-age:,.0f} s in the future, and {tolerance_seconds:g} s are taken (tolerance)")
    return datetime.fromtimestamp(int(text), UTC)


def kind_of(reason: str) -> str:
    """Return what kind of refusal a SignatureError's reason is, in one of a few words."""
    word = reason.partition(" ")[0].rstrip(":,")
    if word in {"stale", "replayed", "forged"}:
        return word
    if " in the future," in reason:
        return "future"
    return "oversized" if " is larger than " in reason else "malformed"


def read_hex(text: str) -> bytes:
    """Return the bytes of a signature in hexadecimal. Raises SignatureError."""
    if _HEX.fullmatch(text) is None:
        raise SignatureError("a signature is not hexadecimal")
    return bytes.fromhex(text)


def read_base64(text: str) -> bytes:
    """Return the bytes of a signature in Base64. Raises SignatureError."""
    if not text or _BASE64.fullmatch(text) is None:
        raise SignatureError("a signature is not Base64")
    return b64decode(text)


def check_signature(
    secrets: Iterable[bytes], presented: Sequence[bytes], parts: Iterable[bytes], algorithm: str = "sha256"
) -> None:
    """Make sure that one of the presented signatures was made with one of the secrets.

    Takes the same time whichever it is.

    Args:
        secrets: keys of the HMAC.
        presented: signatures.
        parts: what was signed, one after the other.
        algorithm: the hash below the HMAC.

    Raises:
        SignatureError: there is none, there are too many, or none is right.
    """
    if not presented:
        raise SignatureError("there is no signature")
    if len(presented) > SIGNATURES_MAX:
        raise SignatureError(f"there are {len(presented)} signatures, and {SIGNATURES_MAX} are taken (SIGNATURES_MAX)")
    signed = b"".join(parts)
    found, known = False, 0
    for secret in secrets:
        known += 1
        expected = hmac.digest(secret, signed, algorithm)
        for each in presented:
            found |= hmac.compare_digest(expected, each)
    if not found:
        raise SignatureError(
            "forged, changed on its way, or signed with another secret: "
            f"its signatures ({len(presented)}) do not match the secrets here ({known})"
        )


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")
