"""How numbers, sizes and times are written for people.

Owns: thousands apart, nouns in the right number, units.
Must not know: HTML, or what is counted.
"""

from __future__ import annotations

from typing import Final

_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")


def count(number: int) -> str:
    """Return a number with its thousands apart: 10,000."""
    return f"{number:,}"


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: 1 document, 2 documents."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def size(number: int) -> str:
    """Return a number of bytes as people write it: 1.5 MiB."""
    value = float(number)
    for unit in _UNITS:
        if value < 1024 or unit == _UNITS[-1]:
            return f"{value:.0f} {unit}" if value >= 100 or value == int(value) else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError(number)  # the last unit takes everything


def seconds(value: float) -> str:
    """Return a duration as people say it: 0.35 s, 12.4 s, 3 min 20 s."""
    if value < 0.9995:
        return f"{value:.2f} s"
    if value < 120:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s"
