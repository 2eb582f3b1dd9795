"""Pieces of HTML that cannot carry somebody else's.

Owns: the type `Html` and escaping.
Must not know: what the report says.

Rule 1: only this module and literal text make `Html`; everything that came from a file goes through `text`.
"""

from __future__ import annotations

from html import escape
from typing import NewType

Html = NewType("Html", str)


def text(value: str) -> Html:
    """Return `value` as text in HTML or in a quoted attribute; what cannot be seen is shown as an escape."""
    return Html(escape(visible(value), quote=True))


def visible(value: str) -> str:
    """Return `value` with control characters, direction marks and the like written out as in a Python string."""
    if value.isprintable():
        return value
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in value)


def join(parts: list[Html]) -> Html:
    """Return pieces one after the other."""
    return Html("".join(parts))
