"""JSON from strangers.

Owns: what JSON text is taken at all, whatever type it is meant for, and the words in which it is refused.
Must not know: HTTP, workflows, types.

Theory of operation
===================

Standard parsers differ in what they let through: NaN, numbers beyond all floats, lone surrogates, a key given twice
(the last one wins here, the first one elsewhere). Whatever one part of a system reads differently than another can be
used to slip something past the first. So text is refused unless it has one meaning everywhere.

Everything here is linear in the size of the text and, but for the words of a refusal, runs in C: up to 8 MiB come from
anybody, and the event loop waits for it.
"""

from __future__ import annotations

import itertools
import json
import operator
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from holdfast.errors import InputError

JSON_DEPTH_MAX: Final = 100
"""How deeply arrays and objects may be nested."""
JSON_CONTAINERS_MAX: Final = 250_000
"""How many arrays and objects there may be: four million empty ones fit into a few megabytes, and stop the world."""
PROBLEMS_MAX: Final = 100
"""How many problems one refusal lists."""

_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
"""A string, or what was to be one up to the end of the text: looked for again at each quote it would take for ever."""
_SHAPE: Final = bytes.maketrans(b"{}", b"[]")
_NOT_SHAPE: Final = bytes(set(range(256)) - set(b"[]{}"))
"""Every byte that says nothing about nesting."""

_CLOSINGS: Final = bytes.maketrans(b"[]", b"\x00\x02")

_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode


def read_json(text: bytes, what: str) -> Any:
    """Return the value of JSON text that has exactly one meaning.

    Args:
        text: one JSON value in UTF-8.
        what: names the text in errors.

    Raises:
        InputError: it is malformed, nested more than JSON_DEPTH_MAX deep, has more than JSON_CONTAINERS_MAX arrays and
            objects, a number no float can hold, text that is not Unicode, a NUL character, or a key given twice.
    """
    bare = _STRING.sub(b"", text)
    if bare.count(b"[") + bare.count(b"{") > JSON_CONTAINERS_MAX:
        problem = f"has more than {JSON_CONTAINERS_MAX:,} arrays and objects (JSON_CONTAINERS_MAX)"
        raise InputError(what, (("", problem),))
    if _is_deeper(bare, JSON_DEPTH_MAX):
        raise InputError(what, (("", f"nested more than {JSON_DEPTH_MAX} deep (JSON_DEPTH_MAX)"),))
    try:
        value = _decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(what, (("", _describe(text, error)),)) from None
    problems: Iterator[tuple[str, str]] = iter(())
    if b"\\u0000" in text:
        problems = _nul_characters(value, "")
    if bare.count(b":") != _STRING.sub(b"", _encode(value)).count(b":"):
        # Each key comes with one colon, and the parser kept one of each key only.
        problems = itertools.chain(problems, _repeated_keys(text))
    found = tuple(itertools.islice(problems, PROBLEMS_MAX))
    if found:
        raise InputError(what, found)
    return value


def _is_deeper(bare: bytes, limit: int) -> bool:
    """Say whether text without its strings nests deeper than `limit`, balanced or not."""
    shape = bare.translate(_SHAPE, delete=_NOT_SHAPE)
    # Depth after n brackets is n less two for each that closes.
    depths = map(operator.sub, itertools.count(1), itertools.accumulate(shape.translate(_CLOSINGS)))
    return any(map(limit.__lt__, depths))


def _describe(text: bytes, error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return f"nested more than {JSON_DEPTH_MAX} deep (JSON_DEPTH_MAX)"
    try:
        decoded = text.decode()
    except UnicodeDecodeError as failure:
        return f"not UTF-8 (byte {failure.start})"
    if decoded.startswith("\ufeff"):
        return "begins with a byte order mark"
    if not decoded.strip():
        return "empty: expected one JSON value"
    if _has_lone_surrogate(decoded):
        return "has text that is not Unicode: a lone surrogate"
    return str(error).split(" - at `$", maxsplit=1)[0].removeprefix("JSON is ")


def _has_lone_surrogate(text: str) -> bool:
    try:
        found = json.loads(text, parse_int=float)
    except (ValueError, RecursionError):
        return False
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _nul_characters(value: Any, place: str) -> Iterator[tuple[str, str]]:
    match value:
        case str() if "\0" in value:
            yield place, "has a NUL character"
        case list():
            for index, each in enumerate(value):
                yield from _nul_characters(each, f"{place}/{index}")
        case dict():
            for key, each in value.items():
                if "\0" in key:
                    yield place, "has a key with a NUL character"
                yield from _nul_characters(each, f"{place}/{_token(key)}")


class _Object(list[tuple[str, Any]]):
    """The members of an object, all of them."""


def _repeated_keys(text: bytes) -> Iterator[tuple[str, str]]:
    return _repeated_keys_in(json.loads(text, object_pairs_hook=_Object, parse_int=float), "")


def _repeated_keys_in(value: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, _Object):
        seen: set[str] = set()
        for key, each in value:
            if key in seen:
                yield f"{place}/{_token(key)}", "is given more than once"
            seen.add(key)
            yield from _repeated_keys_in(each, f"{place}/{_token(key)}")
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _repeated_keys_in(each, f"{place}/{index}")


def _token(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
