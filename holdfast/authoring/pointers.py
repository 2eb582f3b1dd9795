"""JSON pointers (RFC 6901): how an error names a place inside a payload.

Owns: writing pointers, and finding them in what msgspec and pydantic say about a place.
Must not know: signatures, codecs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

PROBLEMS_MAX: Final = 100
"""How many problems one error lists."""

_MSGSPEC_PLACE: Final = re.compile(r" - at `(?:key in )?`?\$(?P<path>[^`]*)`")
_MSGSPEC_FIELD: Final = re.compile(r"Object (?:missing required|contains unknown) field `(?P<name>[^`]*)`")
_MSGSPEC_TOKEN: Final = re.compile(r"\[(?P<index>\d+)\]|(?P<any>\[\.\.\.\])|\.(?P<field>[^.\[]+)")


def pointer(*tokens: object) -> str:
    """Return the JSON pointer of a path of object keys and array indexes."""
    return "".join(f"/{str(token).replace('~', '~0').replace('/', '~1')}" for token in tokens)


def pointer_of_location(location: Iterable[int | str], document: Any, *, missing: bool) -> str:
    """Return the pointer of a pydantic error location.

    A location also names union members and validators, which are no part of the document: only what can be followed
    in `document` counts.

    Args:
        location: pydantic's `loc`.
        document: the decoded payload.
        missing: the last token is a field that is absent.
    """
    tokens: list[object] = []
    steps = list(location)
    for number, token in enumerate(steps):
        if _leads_into(document, token):
            tokens.append(token)
            document = document[token]
        elif missing and number == len(steps) - 1:
            tokens.append(token)
    return pointer(*tokens)


def _leads_into(document: Any, token: int | str) -> bool:
    if isinstance(document, list):
        return isinstance(token, int) and 0 <= token < len(document)
    return isinstance(document, dict) and token in document


def pointer_of_msgspec(message: str) -> str:
    """Return the pointer in a msgspec message (`... - at `$.a[0]``); `*` stands for a key that it does not name."""
    found = _MSGSPEC_PLACE.search(message)
    tokens = [] if found is None else [_token(each) for each in _MSGSPEC_TOKEN.finditer(found["path"])]
    field = _MSGSPEC_FIELD.match(message)
    return pointer(*tokens, *([field["name"]] if field else []))


def _token(found: re.Match[str]) -> str:
    return found["index"] or found["field"] or "*"
