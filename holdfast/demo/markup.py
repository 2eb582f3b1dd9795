"""The readable text inside marked-up text.

Owns: what is taken out of HTML, XML, manual pages and patches before words are counted.
Must not know: words, languages, headings.

Nothing here backtracks: each pass is linear in the text, also for one made to be slow.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Final

from holdfast.demo.kinds import Kind

_TAG = re.compile(r"<[^<>]*>")
_ROFF_ACCENT = re.compile(r"\\(?:\(|\[)(['`^:~,])([A-Za-z])\]?")
_ROFF_ESCAPE = re.compile(r"\\(?:f(?:\[[^\]\n]{0,20}\]|\(..|.)|\(..|\[[^\]\n]{0,20}\]|\*.|s[-+]?\d|\".*|[&|^/,:%])")
_ROFF_CHARACTER = re.compile(r"\\([- e])")
_ROFF_MACRO = re.compile(r"^[.'][ \t]*[A-Za-z\\\"]{1,3}", re.MULTILINE)
_COMBINING: Final = {"'": "\u0301", "`": "\u0300", "^": "\u0302", ":": "\u0308", "~": "\u0303", ",": "\u0327"}
_UNREAD_ELEMENTS: Final = ("script", "style")


def plain_text(kind: Kind, text: str) -> str:
    """Return `text` without the markup of its kind, for counting words."""
    if kind is Kind.HTML:
        for element in _UNREAD_ELEMENTS:
            text = _without_element(text, element)
        return html.unescape(_TAG.sub(" ", text))
    if kind is Kind.XML:
        return html.unescape(_TAG.sub(" ", text))
    if kind is Kind.MAN:
        return _ROFF_MACRO.sub(" ", without_roff(text))
    return text


def without_roff(text: str) -> str:
    """Return text of a manual page without its escapes; letters with accents, which troff spells out, are kept."""
    if "\\" not in text:
        return text
    text = _ROFF_ACCENT.sub(_accented, text)
    return _ROFF_CHARACTER.sub(_character, _ROFF_ESCAPE.sub("", text))


def _accented(match: re.Match[str]) -> str:
    return unicodedata.normalize("NFC", match[2] + _COMBINING[match[1]])


def _character(match: re.Match[str]) -> str:
    return "\\" if match[1] == "e" else match[1]


def _without_element(text: str, element: str) -> str:
    # Not one pattern from tag to tag: with many openings and no end that is quadratic.
    lowered = text.lower()
    if len(lowered) != len(text):  # a few letters change length when lowered, and places would no longer match
        return text
    parts: list[str] = []
    place = 0
    while True:
        start = lowered.find(f"<{element}", place)
        if start < 0:
            parts.append(text[place:])
            return " ".join(parts)
        parts.append(text[place:start])
        place = lowered.find(f"</{element}", start)
        if place < 0:
            return " ".join(parts)
