"""Makes a value fit to be written into a log: of bounded size, one line, without secrets.

Owns: what a terminal would obey, how much of a text is kept, what stands in place of a secret.
Must not know: who logs what, how a line is laid out.

A log is read by terminals, by programs that split at line ends, and by people who may see less than the process that
wrote it. What strangers send - a path, a header, a name - ends up there in error messages. So nothing in it may end a
line, colour a terminal or run away with the disk, and what this process knows to be secret does not leave it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Final

from holdfast.observe.forms import forms
from holdfast.observe.secrets import known_secrets, registered

CHARACTERS_MAX: Final = 4_000
"""What is kept of one text; a traceback may have TRACEBACK_CHARACTERS_MAX."""
TRACEBACK_CHARACTERS_MAX: Final = 32_000
ITEMS_MAX: Final = 100
"""What is kept of one list or table."""

_SHOWN: Final = re.compile(
    r"\bhfk?_[0-9A-Za-z_-]{20,}"  # an API key, an encryption key
    r"|(?<=/v1/callbacks/)[^\s/?#\"']+"  # what it takes to answer a callback
    r"|\bwhsec_[0-9A-Za-z+/=_-]{8,}"  # a secret of Standard Webhooks
    r"|(?i:(?<=\bbearer )[0-9a-z._~+/=-]{8,})"
    r"|(?i:(?<=://)[^\s/@\"']*:[^\s/@\"']+(?=@))"  # name and password in an address
)
"""What is secret by its looks, whoever wrote it."""


class Cleaner:
    """Cleans values of what this process knows to be secret."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """Learn the secrets in `environment`, which is this process's own when None, as it is now."""
        self._environment = known_secrets(os.environ if environment is None else environment)
        self._known: dict[str, str] | None = None
        self._forms: list[tuple[str, str]] = []

    def clean(self, value: Any) -> Any:
        """Return `value` as JSON types, fit to be written down."""
        match value:
            case None | bool() | int() | float():
                return value
            case str():
                return self.text(value)
            case Mapping():
                return {self.text(str(key)): self.clean(each) for key, each in list(value.items())[:ITEMS_MAX]}
            case list() | tuple() | set() | frozenset():
                return [self.clean(each) for each in list(value)[:ITEMS_MAX]]
            case _:
                return self.text(str(value))

    def text(self, text: str) -> str:
        """Return a text of one line."""
        kept = self._without_secrets(text)
        if len(kept) > CHARACTERS_MAX:
            kept = f"{kept[:CHARACTERS_MAX]}… ({len(text):,} characters)"
        return kept if kept.isprintable() else "".join(map(_shown, kept))

    def lines(self, text: str) -> str:
        """Return a text whose lines are kept apart, such as a traceback; of a long one its end."""
        kept = self._without_secrets(text)
        if len(kept) > TRACEBACK_CHARACTERS_MAX:
            kept = f"… ({len(text):,} characters)\n{kept[-TRACEBACK_CHARACTERS_MAX:]}"
        return "\n".join(line if line.isprintable() else "".join(map(_shown, line)) for line in kept.split("\n"))

    def _without_secrets(self, text: str) -> str:
        secrets = registered()
        if secrets != self._known:
            self._learn(secrets)
        for form, instead in self._forms:
            if form in text:
                text = text.replace(form, instead)
        return _SHOWN.sub("(secret)", text)

    def _learn(self, secrets: Mapping[str, str]) -> None:
        found: dict[str, str] = {}
        for secret, name in (self._environment | dict(secrets)).items():
            instead = f"({re.sub(r'[^0-9A-Za-z_. -]', '', name) or 'secret'})"
            found |= dict.fromkeys(forms(secret, instead), instead)
        self._forms = sorted(found.items(), key=lambda each: -len(each[0]))  # one may be a part of another
        self._known = dict(secrets)


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    if character in "\n\r\t":
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}[character]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
