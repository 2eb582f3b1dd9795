"""How values are put into words for a page.

Owns: times, spans, sizes, money, JSON, and what is done to text that could play tricks on its reader.
Must not know: templates, where values come from.

A name, a payload or an error may hold anything. Escaping keeps it from being markup; what is left are characters that
a browser obeys although they are text: those that turn the direction of what follows around, and those that are not
seen at all. They are shown as what they are.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from math import floor, log10
from typing import Any, Final
from urllib.parse import quote

import msgspec

TEXT_CHARACTERS_MAX: Final = 4_000
"""How much of one text a page shows where nothing else is said."""
PAYLOAD_CHARACTERS_MAX: Final = 6_000
"""How much of one payload a page shows; all of it is one click away."""

_TURNING: Final = (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x061C, 0x200E, 0x200F)
_UNSEEN: Final = (*range(0x200B, 0x200E), 0x2028, 0x2029, 0x2060, 0xFEFF, 0x00AD)
_CONTROLS: Final = tuple(each for each in (*range(0x20), *range(0x7F, 0xA0)) if each not in {0x09, 0x0A})


def _name_of(code: int) -> str:
    if code < 0x20:
        return chr(0x2400 + code)  # the picture of the control character
    return f"‹{unicodedata.name(chr(code), f'U+{code:04X}').lower()}›"


_HARMLESS: Final = {
    **{each: _name_of(each) for each in (*_TURNING, *_UNSEEN, *_CONTROLS)},
    **dict.fromkeys(range(0xD800, 0xE000), "�"),  # half a character cannot be sent at all
}

_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"))


def harmless(text: str) -> str:
    """Return a text in which every character is seen, and none moves others."""
    return text.translate(_HARMLESS)


def cut(text: str, characters: int = TEXT_CHARACTERS_MAX) -> str:
    """Return a text, or its beginning and how long it is."""
    return text if len(text) <= characters else f"{text[:characters]}… ({len(text):,} characters)"


def moment(iso: str) -> datetime:
    """Return the moment that the API writes as text."""
    return datetime.fromisoformat(iso)


def clock(iso: str) -> str:
    """Return a moment as people compare moments: `2026-11-30 08:05:12`."""
    return moment(iso).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def ago(iso: str, now: datetime) -> str:
    """Return how long ago a moment was, or how far away it is."""
    seconds = (now - moment(iso)).total_seconds()
    if abs(seconds) < 1:
        return "now"
    return f"{span(seconds)} ago" if seconds > 0 else f"in {span(-seconds)}"


def span(seconds: float) -> str:
    """Return a length of time, in the two units that matter."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    left = round(seconds)
    parts = []
    for size, unit in _UNITS:
        if left >= size:
            parts.append(f"{left // size:,} {unit}")
            left %= size
    if left and len(parts) == 1 and seconds < 3_600:
        parts.append(f"{left} s")
    return " ".join(parts[:2])


def size(count: int) -> str:
    """Return a number of bytes."""
    if count < 1_000:
        return f"{count} bytes"
    return f"{count / 1_000:,.1f} kB" if count < 1_000_000 else f"{count / 1_000_000:,.1f} MB"


def dollars(amount: float) -> str:
    """Return an amount of money: to the cent, and small ones to two digits that are none of them 0."""
    sign, amount = ("-", -amount) if amount < 0 else ("", amount)
    if amount == 0 or amount >= 0.995:
        return f"{sign}${amount:,.2f}"
    digits = 1 - floor(log10(amount))
    return f"{sign}${amount:.{max(digits, 2)}f}"


def segment(text: str) -> str:
    """Return a text as one part of a path."""
    return quote(text, safe="")


def pretty(value: Any) -> str:
    """Return a value as JSON for people."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode("utf-8", "replace")


def brief(error: dict[str, Any]) -> str:
    """Return what a list says of a failure: its type, and of an error of our own what happened, not what others said.

    A message may repeat what its run was given, secrets as well. The run's own page knows which they are.
    """
    kind, message = str(error.get("type", "")), str(error.get("message", ""))
    return f"{kind}: {message.partition(': ')[0]}" if message.startswith("[HF") else kind
