"""One text, in all the ways in which other texts may hold it.

Owns: the escapings that are looked for: JSON, Python, URL, HTML, hexadecimal, base64 at any offset.
Must not know: why the text is looked for.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from typing import Final
from urllib.parse import quote, quote_plus

FORM_CHARACTERS_MIN: Final = 6
"""A piece of base64 that is shorter turns up by chance."""


def forms(text: str, instead: str) -> dict[str, str]:
    """Return every form of `text`, each with what stands for it where `instead` stands for `text`."""
    found = {text: instead}
    for escape in ESCAPES:
        found.setdefault(escape(text), escape(instead))
    encoded = text.encode()
    for alphabet in (base64.b64encode, base64.urlsafe_b64encode):
        for offset in range(3):
            piece = _base64_piece(encoded, offset, alphabet)
            if len(piece) >= FORM_CHARACTERS_MIN:
                found.setdefault(piece, _fitting(len(piece)))
    found.pop("", None)
    return found


def _json(text: str) -> str:
    return json.dumps(text)[1:-1]


def _json_unicode(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _url(text: str) -> str:
    return quote(text, safe="")


def _lower_hex(text: str) -> str:
    quoted = _url(text)
    return "".join(
        each.lower() if quoted[max(0, index - 2) : index].find("%") >= 0 else each for index, each in enumerate(quoted)
    )


ESCAPES: Final[tuple[Callable[[str], str], ...]] = (
    _json,
    _json_unicode,
    lambda text: _json(_json(text)),
    lambda text: _json_unicode(_json_unicode(text)),
    lambda text: _json(_json(_json(text))),
    lambda text: _json(text).replace("/", "\\/"),
    lambda text: repr(text)[1:-1],
    _url,
    _lower_hex,
    quote,
    quote_plus,
    lambda text: _url(_url(text)),
    html.escape,
    lambda text: text.encode().hex(),
    lambda text: text.encode().hex().upper(),
)


def _base64_piece(content: bytes, offset: int, encode: Callable[[bytes], bytes]) -> str:
    """Return the part of the encoding of anything with `content` at `offset` (modulo 3) that is always the same."""
    encoded = encode(b"\0" * offset + content).rstrip(b"=").decode("ascii")
    # Characters that carry bits of what stands before or behind.
    before = (0, 2, 3)[offset]
    behind = 1 if (offset + len(content)) % 3 else 0
    return encoded[before : len(encoded) - behind]


def _fitting(characters: int) -> str:
    return ("REDACTED" * (characters // 8 + 1))[:characters]
