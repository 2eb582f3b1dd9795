"""How a document's bytes become text.

Owns: which encoding is used and why: byte order mark, PEP 263 cookie, UTF-8, or Latin-1 as the fallback.
Must not know: files, kinds, or what the text says.

Latin-1 maps every byte to a character, so decoding never fails; the result says that it was a guess.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import Final, Literal

EncodingSource = Literal["bom", "cookie", "utf-8", "fallback"]

# UTF-32 first: its little-endian mark begins with UTF-16's.
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]{1,40})")

# Codecs that are no file encodings, or whose decoder is slow on hostile input (idna and punycode are quadratic).
_REFUSED: Final = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape", "utf-7", "undefined"})


@dataclass(frozen=True, slots=True)
class Decoded:
    """A document's text, the encoding it was read with, and what that choice rests on."""

    text: str
    encoding: str
    source: EncodingSource


def has_mark(head: bytes) -> bool:
    """Say whether `head` begins with a UTF-16 or UTF-32 byte order mark: such a text may hold NUL bytes."""
    return any(head.startswith(mark) for mark, name in _MARKS if name != "utf-8-sig")


def decode(head: bytes, body: bytes, *, complete: bool = True) -> Decoded:
    """Return `body` as text.

    `head` is the beginning of the file that `body` stands in (perhaps the same bytes): marks and cookies stand there.
    `complete=False` says that `body` was cut off: a character that was cut in half at its end is left out.
    """
    for encoding, source in _candidates(head):
        try:
            # A section of a marked file begins without the mark, and utf-16 without one guesses the byte order.
            text = codecs.getincrementaldecoder(encoding)().decode(body, complete)
        except (UnicodeError, ValueError):
            continue
        return Decoded(text, encoding, source)
    return Decoded(body.decode("latin-1"), "latin-1", "fallback")


def _candidates(head: bytes) -> list[tuple[str, EncodingSource]]:
    chosen: list[tuple[str, EncodingSource]] = [(name, "bom") for mark, name in _MARKS if head.startswith(mark)][:1]
    cookie = _cookie(head)
    if cookie is not None and cookie != "utf-8":
        chosen.append((cookie, "cookie"))
    chosen.append(("utf-8", "cookie" if cookie == "utf-8" else "utf-8"))
    return chosen


def _cookie(head: bytes) -> str | None:
    for line in head.split(b"\n", 2)[:2]:
        match = _COOKIE.match(line[:200])
        if match is None:
            continue
        try:
            found = codecs.lookup(match[1].decode("ascii"))
        except (LookupError, UnicodeDecodeError, ValueError):
            return None
        is_text = getattr(found, "_is_text_encoding", True)  # rot13, hex, zlib are codecs too
        return found.name if is_text and found.name.replace("_", "-") not in _REFUSED else None
    return None
