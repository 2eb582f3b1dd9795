"""What may be seen of a delivery.

Owns: what is kept of headers, and what is shown of bodies.
Must not know: where deliveries are kept.

Theory of operation
===================

A secret is known by one of three things: by the name it is under, by what this process knows to be one - however it is
escaped where it stands - or by its looks. Headers are kept of every delivery, on the way to its answer, so most of
them are looked at once: what a sender says of itself is the same each time, and is remembered.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

from holdfast.errors import SettingsError
from holdfast.observe import SecretKeys, forms, known_secrets, words_of

if TYPE_CHECKING:
    from holdfast.observe import Pattern

REDACTED: Final = "REDACTED"
HEADERS_MAX: Final = 100
HEADER_CHARACTERS_MAX: Final = 1_000
REMEMBERED_MAX: Final = 2_000
"""How many headers are remembered."""
SECRET_CHARACTERS_MIN: Final = 4
"""Shorter texts are not looked for elsewhere: they would be found everywhere."""
NESTED_MAX: Final = 5
"""How many texts of JSON within texts of JSON are opened."""

SECRET_WORDS: Final = frozenset(
    words_of(
        "auth authentication authorization bearer cookie cookies credential credentials csrf hmac jwt passwd password "
        "secret secrets session sig signature signatures token tokens xsrf"
    )
)
"""A header with one of these words in its name is secret, wherever it stands: `X-Hub-Signature-256`."""
SECRET_ENDS: Final = ("auth", "cookie", "password", "secret", "signature", "token")
"""And so is one of whose words one ends like this: `X-CSRFToken`."""
HARMLESS_KEYS: Final = frozenset(words_of("cache dedup deduplication event idempotency message partition routing"))
"""What makes a header that ends in `-Key` none that is secret."""

_SEPARATOR: Final = re.compile(r"\\?\"?\s{0,2}(?:=|:(?=[\s\"\\]))\s{0,2}\\?\"?", re.ASCII)
"""What stands after `token` in an address, `token=`, and in a text, `"token": "`."""
_KEY: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{1,60}\Z", re.ASCII)
_KEY_CHARACTERS_MAX: Final = 61
_VALUE: Final = re.compile(r"[^\s\"'&;,<>\\]{3,}")
_ID: Final = re.compile(r"[0-9A-Fa-f-]{0,64}")
"""Numbers and UUIDs look like no secret but a card's number."""
_USERINFO: Final = re.compile(r"(?<=://)(?P<user>[^\s/:@\"']*):(?P<secret>[^\s/@\"']+)(?=@)")
_OWN: Final = re.compile(r"\bhfk?_[0-9A-Za-z_-]{20,}|(?<=/v1/callbacks/)[^\s/?#\"']+")
"""An API key, an encryption key, and what it takes to answer a callback."""


class Redaction:
    """Takes secrets out of what is kept and shown: by the name they are under, by what they are, by their looks."""

    def __init__(
        self, more_keys: Iterable[str] = (), more_patterns: Iterable[str] = (), *, emails: bool = False
    ) -> None:
        """Know the usual names and looks, and further ones.

        Args:
            more_keys: further names whose values are secret.
            more_patterns: regular expressions of further secrets; group `secret` is what goes, or the whole match.
            emails: whether mail addresses go.

        Raises:
            SettingsError: one of `more_patterns` is no regular expression.
        """
        self._keys = SecretKeys(more_keys)
        self._more = [_compiled(each) for each in more_patterns]
        self._emails = emails
        self._header = lru_cache(REMEMBERED_MAX)(self._kept)

    def headers(self, pairs: Iterable[tuple[bytes, bytes]], signatures: Sequence[str]) -> dict[str, str]:
        """Return headers as they may be kept; `signatures` are names of those that nobody may see."""
        kept: dict[str, str] = {}
        for raw_name, raw_value in pairs:
            if len(kept) >= HEADERS_MAX:
                break
            name = raw_name.decode("latin-1").lower()
            kept[name] = REDACTED if name in signatures else self._header(name, raw_value)
        return kept

    def body(self, body: bytes) -> Any:
        """Return a body as it may be shown: JSON; None where it is no JSON."""
        try:
            return self._value(msgspec.json.decode(body))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None

    def text(self, text: str, *, cards: bool = True) -> str:
        """Return a text without the secrets in it, known or told by their looks; `cards` are numbers of cards."""
        for form, instead in self._forms:
            if form in text:
                text = text.replace(form, instead)
        if _ID.fullmatch(text) and not cards and not self._more:
            return text
        for secret in self._told_by_looks(text, cards=cards):
            text = text.replace(secret, REDACTED)
        text = _OWN.sub(REDACTED, text)
        if "://" in text:
            text = _USERINFO.sub(rf"\g<user>:{REDACTED}", text)
        return self._without_named(text) if "=" in text or ":" in text else text

    def without(self, value: Any, secrets: Iterable[str]) -> Any:
        """Return JSON values as they may be shown, also without `secrets`, however they are escaped in it."""
        text = msgspec.json.encode(value).decode()
        for secret in secrets:
            for form, instead in forms(secret, REDACTED).items():
                text = text.replace(form, instead)
        return self.body(text.encode())

    def named(self, value: Any) -> list[str]:
        """Return the texts in JSON values that stand under the name of a secret, the longest first."""
        found: set[str] = set()
        rest: list[tuple[Any, bool]] = [(value, False)]
        while rest:
            each, is_secret = rest.pop()
            match each:
                case str() if is_secret and len(each) >= SECRET_CHARACTERS_MIN:
                    found.add(each)
                case list():
                    rest += [(one, is_secret) for one in each]
                case dict():
                    rest += [(one, is_secret or bool(self._keys.label(name))) for name, one in each.items()]
                case _:
                    pass
        return sorted(found, key=len, reverse=True)

    @cached_property
    def _forms(self) -> list[tuple[str, str]]:
        # Once: it looks through the whole environment, and modules register theirs when they are imported.
        found: dict[str, str] = {}
        for secret in known_secrets(os.environ):
            found |= forms(secret, REDACTED)
        return sorted(found.items(), key=lambda each: -len(each[0]))  # one may be a part of another

    @cached_property
    def _further(self) -> tuple[Pattern, ...]:
        # Imported here: who only declares a webhook looks for none.
        from holdfast.observe import EMAIL_PATTERN, Pattern

        more = [Pattern("pattern", each) for each in self._more]
        return (*more, *((EMAIL_PATTERN,) if self._emails else ()))

    @cached_property
    def _hints(self) -> Callable[[str], object]:
        from holdfast.observe import SECRET_HINT

        return SECRET_HINT.search

    def _told_by_looks(self, text: str, *, cards: bool) -> list[str]:
        if not self._hints(text) and not self._further:
            return []
        from holdfast.observe import SECRET_PATTERNS, find_secrets

        looks = (*SECRET_PATTERNS, *self._further) if self._hints(text) else self._further
        return [secret for secret, label in find_secrets(text, looks) if cards or label != "card"]

    def _kept(self, name: str, raw_value: bytes) -> str:
        if self._is_secret(name):
            return REDACTED
        # Ids of deliveries may look like cards, and have to stay as they are. Cut at last: half a secret is none.
        return self.text(raw_value.decode("latin-1"), cards=False)[:HEADER_CHARACTERS_MAX]

    def _is_secret(self, name: str) -> bool:
        words = words_of(name)
        if self._keys.label(name) or not SECRET_WORDS.isdisjoint(words):
            return True
        if words and words[-1] == "key":
            return HARMLESS_KEYS.isdisjoint(words)
        return any(each.endswith(SECRET_ENDS) for each in words)

    def _without_named(self, text: str) -> str:
        """Return a text without what is said to be secret in it: `token=...`, `"token": "..."`."""
        kept, place = "", 0
        for match in _SEPARATOR.finditer(text):  # few, where a key may begin at any letter
            key = _KEY.search(text, max(place, match.start() - _KEY_CHARACTERS_MAX), match.start())
            if key is not None and self._keys.label(key[0]):
                value = _VALUE.match(text, match.end())
                if value is not None:
                    kept += text[place : match.end()] + REDACTED
                    place = value.end()
        return kept + text[place:]

    def _value(self, value: Any, nested: int = 0) -> Any:
        match value:
            case str():
                return self._text(value, nested)
            case list():
                return [self._value(each, nested) for each in value]
            case dict():
                return {
                    self.text(key): REDACTED
                    if self._keys.label(key) and each is not None
                    else self._value(each, nested)
                    for key, each in value.items()
                }
            case int() | float() if self._more and not isinstance(value, bool):
                shown = self.text(str(value), cards=False)
                return value if shown == str(value) else shown
            case _:
                return value

    def _text(self, text: str, nested: int) -> str:
        """Return a text that may be JSON itself."""
        if nested < NESTED_MAX and text[:1] + text[-1:] in {"{}", "[]"}:
            try:
                inner = msgspec.json.decode(text)
            except (msgspec.MsgspecError, RecursionError):
                pass
            else:
                return msgspec.json.encode(self._value(inner, nested + 1)).decode()
        return self.text(text)


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise SettingsError(
            f"redact_patterns: {pattern!r} is no regular expression: {error}", "Mend it, or take it out."
        ) from None
