"""What stands in a secret's place.

Owns: which placeholder a secret gets, so that the same secret always gets the same.
Must not know: how secrets are found.

A placeholder keeps as much of the secret's form as code is likely to look at: a number stays a number of as many
digits, digits stay digits with the spaces and dashes between them, UUIDs and addresses stay such. Anything else becomes
`REDACTED-api-key-3`, which needs no escaping in URLs, JSON or file names. Nothing of the secret goes in, not even a
hash: a short secret could be guessed from it.
"""

from __future__ import annotations

import re
from typing import Final

_DIGITS: Final = re.compile(r"\d(?:[ -]?\d)*")
_UUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_LABEL: Final = re.compile(r"[a-z0-9]+")
_LABEL_WORDS_MAX: Final = 4


class Placeholders:
    """The placeholders of one capture, numbered in the order in which their secrets were met."""

    def __init__(self) -> None:
        """Begin with number 1."""
        self._numbers: dict[str, int] = {}
        self._labels: dict[int, str] = {}

    def __len__(self) -> int:
        """Return how many secrets have one."""
        return len(self._numbers)

    def of_text(self, secret: str, label: str) -> str:
        """Return what stands for a text; `label` says what it is, if it has no placeholder yet."""
        if _DIGITS.fullmatch(secret):
            return _digits(secret, self._number(re.sub(r"[ -]", "", secret), label))
        number = self._number(secret, label)
        if _UUID.fullmatch(secret):
            return f"00000000-0000-4000-8000-{number:012d}"
        if _EMAIL.fullmatch(secret):
            return f"redacted-{number}@example.com"
        return f"REDACTED-{self._labels[number]}-{number}"

    def of_number(self, secret: float, label: str) -> float:
        """Return what stands for a number."""
        if isinstance(secret, int):
            return int(_digits(str(abs(secret)), self._number(str(abs(secret)), label)))
        return float(self._number(repr(secret), label))

    def _number(self, secret: str, label: str) -> int:
        number = self._numbers.get(secret)
        if number is None:
            number = self._numbers[secret] = len(self._numbers) + 1
            words = _LABEL.findall(label.lower())
            # Not the secret itself under another name, as in {"hunter2": ...}.
            self._labels[number] = "-".join(words[-_LABEL_WORDS_MAX:]) or "value"
        return number


def _digits(secret: str, number: int) -> str:
    """Return `number` in as many digits as `secret` has, beginning with 1, with the same characters between them."""
    count = sum(each.isdigit() for each in secret)
    digits = iter("1" + f"{number:0{count}d}"[-(count - 1) :] if count > 1 else str(number % 10))
    return "".join(next(digits) if each.isdigit() else each for each in secret)
