"""What secrets look like by themselves, whatever their name.

Owns: the patterns, and the check digits of cards.
Must not know: where the texts come from.

Loaded when it is asked for: compiling the patterns takes milliseconds, and most processes look for none.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from holdfast.observe.secret_names import PLACEHOLDER


@dataclass(frozen=True, slots=True)
class Pattern:
    """A kind of secret. Group `secret` is what it is, the whole match where there is no such group."""

    label: str
    regex: re.Pattern[str]
    holds: Callable[[str], bool] = bool
    """Whether what looks like one is one."""


def find_secrets(text: str, patterns: Sequence[Pattern]) -> Iterator[tuple[str, str]]:
    """Return every (secret, label) in `text`."""
    for pattern in patterns:
        for match in pattern.regex.finditer(text):
            secret = match["secret"] if "secret" in pattern.regex.groupindex else match[0]
            if secret and pattern.holds(secret) and not PLACEHOLDER.search(secret):
                yield secret, pattern.label


# --- Cards -------------------------------------------------------------------------------------------------------

_CARD: Final = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){11,18}(?![\w-])(?!\.\d)")
_BRANDS: Final = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|(?:5[1-5]\d{2}|222[1-9]|22[3-9]\d|2[3-6]\d{2}|27[01]\d|2720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|(?:6011|64[4-9]\d|65\d{2})\d{12}"  # Discover
    r"|35\d{14}"  # JCB
    r"|3(?:0[0-5]|[68]\d)\d{11}"  # Diners Club
)


def is_card(text: str) -> bool:
    """Say whether `text` is the number of a payment card: some brand's, with the right check digit (Luhn)."""
    digits = re.sub(r"[ -]", "", text)
    if not _BRANDS.fullmatch(digits):
        return False
    total = 0
    for index, each in enumerate(reversed(digits)):
        value = int(each) * (1 + index % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


# --- Authorization headers ---------------------------------------------------------------------------------------


def _has_digit(text: str) -> bool:
    return any(each.isdigit() for each in text)


def basic_password(token: str) -> str | None:
    """Return the password in a `Basic` token, None when it is no such token."""
    try:
        name, colon, password = base64.b64decode(token, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return password if colon and name.isprintable() and password.isprintable() else None


def _is_basic(token: str) -> bool:
    password = basic_password(token)
    return password is not None and not PLACEHOLDER.search(password)


SECRET_PATTERNS: Final[tuple[Pattern, ...]] = (
    Pattern(
        "private-key", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL)
    ),
    Pattern("jwt", re.compile(r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*")),
    Pattern("bearer", re.compile(r"\bbearer\s+(?P<secret>[A-Za-z0-9._~+/-]{8,}=*)", re.IGNORECASE), _has_digit),
    Pattern("basic", re.compile(r"\bbasic\s+(?P<secret>[A-Za-z0-9+/]{6,}={0,2})", re.IGNORECASE), _is_basic),
    Pattern("aws-key", re.compile(r"\b(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}\b")),
    Pattern("github-token", re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})")),
    Pattern("gitlab-token", re.compile(r"\bglpat-[A-Za-z0-9_-]{20,}")),
    Pattern("slack-token", re.compile(r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}")),
    Pattern("stripe-key", re.compile(r"\b(?:[sr]k_(?:live|test)|whsec)_[A-Za-z0-9]{16,}")),
    Pattern("google-key", re.compile(r"\bAIza[0-9A-Za-z_-]{35}")),
    Pattern("api-key", re.compile(r"\bsk-[A-Za-z0-9_-]{20,}"), _has_digit),
    Pattern("npm-token", re.compile(r"\bnpm_[A-Za-z0-9]{36}\b")),
    Pattern("card", _CARD, is_card),
)
SECRET_HINT: Final = re.compile(
    r"PRIVATE KEY-|eyJ|bearer\s|basic\s|A[KSBC][IC]A|gh[pousr]_|github_pat_|glpat-|xox[abeoprs]-|sk_|rk_|whsec_|AIza"
    r"|sk-|npm_|\d(?:[ -]?\d){11}",
    re.IGNORECASE,
)
"""Is found in every text in which a pattern finds something: one look spares most texts a dozen."""
EMAIL_PATTERN: Final = Pattern(
    "email", re.compile(r"\b[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}@(?!example\.com)[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+\b")
)
