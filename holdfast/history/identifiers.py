"""Identifiers: what names runs, steps, messages and locks, in stores and histories.

Owns: how long one may be, and which texts every store keeps as they are.
Must not know: where any of them is kept.

A row of an index in PostgreSQL holds 2,704 bytes, and an index may have two identifiers and a number in it. NUL is no
part of a text there, and half a surrogate pair is no part of UTF-8 anywhere. What one store would refuse, or keep as
something else, no store takes: a run that is moved keeps its name.
"""

from __future__ import annotations

from typing import Final

from holdfast.errors import InputError

IDENTIFIER_BYTES_MAX: Final = 1_000
"""How long an identifier is at most, in UTF-8."""


def text_problem(text: str) -> str:
    """Return what keeps a text from being stored as it is; nothing where nothing does."""
    if "\0" in text:
        return (
            f"has the character U+0000 at place {text.index(chr(0))}, which PostgreSQL keeps in no text: leave it out"
        )
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            return f"has half of a surrogate pair at place {error.start}, which is no Unicode text: leave it out"
    return ""


def identifier_problem(text: str) -> str:
    """Return what keeps a text from being an identifier; nothing where nothing does."""
    if not text:
        return "is empty: give it a name"
    if problem := text_problem(text):
        return problem
    size = len(text) if text.isascii() else len(text.encode())
    if size > IDENTIFIER_BYTES_MAX:
        limit = f"{IDENTIFIER_BYTES_MAX:,} (IDENTIFIER_BYTES_MAX)"
        return f"is {size:,} bytes long in UTF-8, and an index holds {limit}: shorten it, or use a digest of it"
    return ""


def check_identifier(text: str, what: str) -> str:
    """Return an identifier. Raises InputError about `what` when it is none."""
    if problem := identifier_problem(text):
        raise InputError(what, (("", problem),))
    return text


def check_text(text: str, what: str) -> str:
    """Return a text that every store keeps as it is. Raises InputError about `what` when it is none."""
    if problem := text_problem(text):
        raise InputError(what, (("", problem),))
    return text
