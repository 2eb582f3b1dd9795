"""Values made up for a type, where no value was recorded.

Owns: the smallest JSON value that a schema lets pass, as far as that is easy to say.
Must not know: what it is made up for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

SAMPLE_DEPTH_MAX: Final = 8

_PLAIN: Final = (b"null", b"0", b'""', b"[]", b"{}", b"false")
_BY_TYPE: Final[dict[str, Any]] = {"null": None, "integer": 0, "number": 0, "string": "", "boolean": False, "array": []}
_BY_FORMAT: Final[dict[str, str]] = {
    "date-time": "2000-01-01T00:00:00Z",
    "date": "2000-01-01",
    "time": "00:00:00",
    "duration": "PT0S",
    "uuid": "00000000-0000-0000-0000-000000000000",
    "email": "a@example.com",
    "uri": "http://example.com/",
}


def sample_payload(read: Callable[[bytes], Any], schema: Callable[[], dict[str, Any]] | None) -> bytes | None:
    """Return JSON text that `read` takes, None when none was found.

    Args:
        read: raises when a payload does not fit.
        schema: gives the JSON Schema of what it takes, where there is one.
    """
    for payload in _candidates(schema):
        try:
            read(payload)
        except Exception:  # noqa: BLE001, S112 - users' types may raise anything at values that are made up
            continue
        return payload
    return None


def _candidates(schema: Callable[[], dict[str, Any]] | None) -> Iterator[bytes]:
    if schema is not None:
        with contextlib.suppress(Exception):  # a schema that says too little leaves the plain values
            known = schema()
            yield msgspec.json.encode(_sample(known, known.get("$defs", {}), 0))
    yield from _PLAIN


def _sample(schema: dict[str, Any], definitions: dict[str, Any], depth: int) -> Any:
    if depth > SAMPLE_DEPTH_MAX:
        return None
    for given in ("default", "const"):
        if given in schema:
            return schema[given]
    for several in ("enum", "examples"):
        if schema.get(several):
            return schema[several][0]
    if "$ref" in schema:
        return _sample(definitions[schema["$ref"].rpartition("/")[2]], definitions, depth + 1)
    for choice in ("anyOf", "oneOf", "allOf"):
        if schema.get(choice):
            return _sample(schema[choice][0], definitions, depth + 1)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0]
    if kind == "object":
        members = schema.get("properties", {})
        return {name: _sample(members.get(name, {}), definitions, depth + 1) for name in schema.get("required", ())}
    if kind in {"integer", "number"}:
        return schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1)
    if kind == "string":
        return _BY_FORMAT.get(schema.get("format", ""), "x" * schema.get("minLength", 0))
    return _BY_TYPE.get(str(kind))
