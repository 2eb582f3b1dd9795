"""Takes secrets out of JSON values and texts.

Owns: what counts as a secret, how strongly each is looked for, and replacing it wherever it stands.
Must not know: histories, files, settings.

Theory of operation
===================

Everything is gone over twice. The first time only learns: a value under a secret key, a card in a message, a password
in a URL. The second time replaces, so that what was recognised in one place is also found in all others, where nothing
around it gives it away: in a traceback, an argument list, a base64 string.

How far a secret is looked for depends on how likely it is to mean something else:

    STRONG    long or mixed             as part of any text, in every escaping that `forms` knows
    WORD      at least 4 characters     as a whole word of any text
    VALUE     shorter                   where it is a whole value
    (none)    `true`, `bearer`, ...     nowhere but where it was found

JSON and base64 inside texts are unpacked, cleaned and packed again, so that what a workflow derives from a placeholder
by packing it is what stands in its history.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, Final
from urllib.parse import quote_plus, unquote_plus

from holdfast.observe import PLACEHOLDER, Pattern, SecretKeys, basic_password, find_secrets, forms, words_of
from holdfast.replay.redaction.placeholders import Placeholders

UNPACKED_MAX: Final = 5
"""How many wrappings (JSON in base64 in JSON ...) are opened; secrets below are found by their value only."""

_COMMON: Final = frozenset(
    words_of(
        "admin anonymous basic bearer changed default digest disabled enabled example false guest hidden invalid "
        "missing none null password redacted root secret string test token true undefined unknown unset user yes"
    )
)
"""Words that say nothing, and that code is full of."""


class Strength(IntEnum):
    """How far a secret is looked for."""

    NOWHERE = 0
    VALUE = 1
    WORD = 2
    STRONG = 3


def strength_of(secret: str) -> Strength:
    """Return how far a secret is looked for, beyond where it was found."""
    if PLACEHOLDER.search(secret) or secret.lower() in _COMMON:
        return Strength.NOWHERE
    if len(secret) < 4:
        return Strength.VALUE if len(secret) == 3 else Strength.NOWHERE
    digits = secret.isdigit()
    kinds = sum(
        (
            any(each.islower() for each in secret),
            any(each.isupper() for each in secret),
            any(each.isdigit() for each in secret),
            any(not each.isalnum() for each in secret),
        )
    )
    if len(secret) >= 12 or (len(secret) >= 6 and kinds >= 2 and not digits):
        return Strength.STRONG
    return Strength.WORD


class Redactor:
    """The secrets of one capture, and what stands for each."""

    def __init__(self, keys: SecretKeys, patterns: Sequence[Pattern], known: Mapping[str, str]) -> None:
        """Look for what `keys` and `patterns` recognise, and for what is known.

        Args:
            keys: names whose values are secret.
            patterns: what secrets look like.
            known: secrets, with what each is called.
        """
        self._keys = keys
        self._patterns = patterns
        self._placeholders = Placeholders()
        self._strong: dict[str, str] = {}
        self._words: dict[str, str] = {}
        self._values: dict[Any, Any] = {}
        self._ordered: list[tuple[str, str]] | None = None
        self._word_regex: re.Pattern[str] | None = None
        for secret, label in known.items():
            # Told by name, so never too weak to be looked for.
            self._learn(secret, label, max(strength_of(secret), Strength.WORD))
        self._known = len(self._placeholders)
        self.replaced: set[str] = set()
        """Placeholders that were put somewhere."""

    # --- Values ------------------------------------------------------------------------------------------------------

    def value(self, value: Any, depth: int = 0) -> Any:
        """Return a JSON value without its secrets; the same object when there is none in it."""
        match value:
            case str():
                return self.text(value, depth)
            case bool() | None:
                return value
            case int() | float():
                return self._number(value)
            case dict():
                return self._object(value, depth)
            case list():
                return self._array(value, depth)
            case _:
                return value

    def _object(self, value: dict[str, Any], depth: int) -> dict[str, Any]:
        # {"name": "Authorization", "value": "..."}, as lists of headers and variables have it.
        named = value.get("name", value.get("key"))
        label = self._keys.label(named) if isinstance(named, str) else ""
        cleaned = {
            self._replace_strong(key): self._secret(
                each, self._keys.label(key) or (label if key == "value" else ""), depth
            )
            for key, each in value.items()
        }
        unchanged = list(value) == list(cleaned) and _same(list(value.values()), list(cleaned.values()))
        return value if unchanged else cleaned

    def _array(self, value: list[Any], depth: int) -> list[Any]:
        if len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], str):
            cleaned = [self.value(value[0], depth), self._secret(value[1], self._keys.label(value[0]), depth)]
        else:
            cleaned = [self.value(each, depth) for each in value]
        return value if _same(value, cleaned) else cleaned

    def _secret(self, value: Any, label: str, depth: int) -> Any:
        """Return what stands for a value under a key whose label is `label`."""
        if not label:
            return self.value(value, depth)
        match value:
            case str():
                return self._secret_text(value, label, depth)
            case bool() | None:
                return value
            case int() | float():
                return self._secret_number(value, label)
            case dict():
                return {key: self._secret(each, self._keys.label(key) or label, depth) for key, each in value.items()}
            case list():
                return [self._secret(each, label, depth) for each in value]
            case _:
                return value

    def _secret_text(self, text: str, label: str, depth: int) -> str:
        if not text or PLACEHOLDER.search(text):
            return text
        scheme, space, credentials = text.partition(" ")
        if space and scheme.lower() in {"basic", "bearer", "digest", "token", "apikey"} and " " not in credentials:
            password = basic_password(credentials) if scheme.lower() == "basic" else None
            if password is None:
                return f"{scheme} {self._secret_text(credentials, label, depth)}"
            self._learn(password, label, strength_of(password))
            return f"{scheme} {self.text(credentials, depth)}"
        cleaned = self.text(text, depth)
        if cleaned != text and ("://" in text or text[:1] in "{["):
            return cleaned  # a DSN, or JSON: what is secret in it is out, and the rest tells something
        return self._found(text, label)

    def _found(self, text: str, label: str) -> str:
        self._learn(text, label, strength_of(text))
        return self._note(self._placeholders.of_text(text, label))

    def _secret_number(self, value: float, label: str) -> float:
        if abs(value) < 10:
            return value
        placeholder = self._placeholders.of_number(value, label)
        if isinstance(value, int):
            if abs(value) >= 100:
                self._values[value] = placeholder
            if abs(value) >= 1_000:
                self._learn(str(abs(value)), label, Strength.WORD)
        self._note(str(placeholder))
        return placeholder

    def _number(self, value: float) -> float:
        if value in self._values:
            found: float = type(value)(self._values[value])
            self._note(str(found))
            return found
        if isinstance(value, int) and any(True for _ in find_secrets(str(value), self._patterns)):
            return self._secret_number(value, "card")
        return value

    # --- Texts -------------------------------------------------------------------------------------------------------

    def text(self, text: str, depth: int = 0, *, code: bool = False) -> str:
        """Return a text without the secrets in it.

        Args:
            text: any text.
            depth: how many wrappings it was taken out of.
            code: it quotes source code, in which `password=password` names no secret.
        """
        if len(text) < 3:
            return text
        if text in self._values:
            return self._note(self._values[text])
        if depth < UNPACKED_MAX:
            unpacked = self._json(text, depth)
            if unpacked is not None:
                return unpacked
            text = _BASE64.sub(lambda match: self._base64(match[0], depth), text)
        for secret, label in find_secrets(text, self._patterns):
            self._learn_pattern(secret, label)
        text = self._named(text, code=code)
        return self.replaced_in(text)

    def replaced_in(self, text: str) -> str:
        """Return a text without the secrets known so far, whatever else it holds."""
        text = self._replace_strong(text)
        words = self._word_pattern()
        return words.sub(lambda match: self._note(self._words[match[0]]), text) if words is not None else text

    def _replace_strong(self, text: str) -> str:
        if self._ordered is None:
            # Longest first: one secret may be part of another.
            self._ordered = sorted(self._strong.items(), key=lambda item: -len(item[0]))
        for form, placeholder in self._ordered:
            if form in text:
                self._note(placeholder)
                text = text.replace(form, placeholder)
        return text

    def _word_pattern(self) -> re.Pattern[str] | None:
        if self._word_regex is None and self._words:
            longest_first = sorted(self._words, key=len, reverse=True)
            self._word_regex = re.compile(
                rf"(?<![A-Za-z0-9])(?:{'|'.join(map(re.escape, longest_first))})(?![A-Za-z0-9])"
            )
        return self._word_regex

    def _json(self, text: str, depth: int) -> str | None:
        """Return JSON text without its secrets; None when it is none, or cannot be written the way it was."""
        stripped = text.strip()
        if stripped[:1] + stripped[-1:] not in {"{}", "[]", '""'}:
            return None
        try:
            value = json.loads(stripped)
        except (ValueError, RecursionError):
            return None
        cleaned = self.value(value, depth + 1)
        if cleaned is value or cleaned == value:
            return text
        for options in _JSON_STYLES:
            if json.dumps(value, **options) == stripped:
                return text.replace(stripped, json.dumps(cleaned, **options))
        return json.dumps(cleaned)

    def _base64(self, token: str, depth: int) -> str:
        bare = token.rstrip("=")
        standard = bare.replace("-", "+").replace("_", "/")
        try:
            inner = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return token
        if sum(each.isprintable() or each in "\n\r\t" for each in inner) < len(inner):
            return token
        cleaned = self.text(inner, depth + 1)
        if cleaned == inner:
            return token
        encode = base64.urlsafe_b64encode if "-" in token or "_" in token else base64.b64encode
        encoded = encode(cleaned.encode()).decode("ascii")
        return encoded if len(bare) % 4 == 0 or bare != token else encoded.rstrip("=")

    def _named(self, text: str, *, code: bool) -> str:
        """Return a text in which `password=...`, `"token": "..."` and the like are replaced."""
        return _NAMED.sub(lambda match: self._named_one(match, code=code), _USERINFO.sub(self._userinfo, text))

    def _named_one(self, match: re.Match[str], *, code: bool) -> str:
        label = self._keys.label(match["key"])
        quoted, bare = match["quoted"], match["bare"]
        secret = quoted or bare or ""
        if not label or PLACEHOLDER.search(secret):
            return match[0]
        if quoted is None:
            in_query = match["before"] in {"?", "&", ";"}
            if code or not (in_query or _is_likely(secret, separator=match["separator"])):
                return match[0]
            if in_query or "%" in secret:
                plain = unquote_plus(secret)
                return match[0][: -len(secret)] + quote_plus(self._found(plain, label))
        start, stop = match.span("quoted" if quoted is not None else "bare")
        start, stop = start - match.start(), stop - match.start()
        return match[0][:start] + self._found(secret, label) + match[0][stop:]

    def _userinfo(self, match: re.Match[str]) -> str:
        plain = unquote_plus(match["password"].replace("+", "%2B"))
        if PLACEHOLDER.search(plain):
            return match[0]
        return match["before"] + self._found(plain, "password") + "@"

    # --- Learning ----------------------------------------------------------------------------------------------------

    def _learn_pattern(self, secret: str, label: str) -> None:
        if label == "basic":
            password = basic_password(secret)
            assert password is not None, "the pattern has looked"
            self._learn(password, "password", strength_of(password))
        else:
            self._learn(secret, label, Strength.STRONG)

    def _learn(self, secret: str, label: str, strength: Strength) -> None:
        match strength:
            case Strength.STRONG if secret not in self._strong:
                self._strong |= forms(secret, self._placeholders.of_text(secret, label)) | self._strong
                self._ordered = None
            case Strength.WORD if secret not in self._words and secret not in self._strong:
                self._words[secret] = self._placeholders.of_text(secret, label)
                self._word_regex = None
            case Strength.VALUE:
                self._values[secret] = self._placeholders.of_text(secret, label)
            case _:
                pass

    def _note(self, placeholder: str) -> str:
        self.replaced.add(placeholder)
        return placeholder


def _same(before: list[Any], after: list[Any]) -> bool:
    return all(one is other for one, other in zip(before, after, strict=True))


def _is_likely(secret: str, *, separator: str) -> bool:
    """Say whether what follows a secret's name in running text is the secret, and not the next word of a sentence."""
    if secret.lower() in _COMMON or len(secret) < 4:
        return False
    if "=" in separator:
        return True
    return any(each.isdigit() for each in secret) and any(not each.isdigit() for each in secret)


_JSON_STYLES: Final[tuple[dict[str, Any], ...]] = tuple(
    {"ensure_ascii": ascii_only, "separators": separators, "indent": indent}
    for ascii_only in (True, False)
    for separators, indent in ((None, None), ((",", ":"), None), (None, 2), (None, 4))
)
_BASE64: Final = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{12,}={0,2}")
_USERINFO: Final = re.compile(
    r"(?P<before>[a-z][a-z0-9+.-]{0,30}://[^\s/:@?#\"']*:)(?P<password>[^\s/@\"']+)@", re.IGNORECASE
)
_NAMED: Final = re.compile(
    r"(?P<before>^|[^A-Za-z0-9_-])"
    r"(?P<key>[A-Za-z][A-Za-z0-9_-]{1,60})"
    r"(?P<separator>\\*[\"']?\s{0,3}(?:=>|=|:)\s{0,3})"
    r"(?:(?P<quote>\\*[\"'])(?P<quoted>(?:(?!(?P=quote)).){1,4096})(?P=quote)|(?P<bare>[^\s\"'&,;<>(){}\[\]\\]{1,4096}))",
    re.DOTALL,
)
