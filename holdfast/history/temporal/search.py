"""Search attributes in Temporal's histories.

Owns: which of Temporal's types each value of ours is, and which of theirs Holdfast has words for.
Must not know: events.

Temporal keeps `{"indexedFields": {name: payload}}`, where the payload's metadata names the type. What it adds itself,
such as `TemporalChangeVersion`, is left alone. Ours are single values, so a list of several has no words here.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from holdfast.errors import HistoryError, InputError
from holdfast.history.attributes import AttributeValue, decode_attributes, encode_changes
from holdfast.history.temporal.payloads import NULL, read_payload, write_payload

FIELDS: Final = "indexedFields"
OWN_PREFIX: Final = "Temporal"
"""What the names begin with that Temporal gives."""

_TYPES: Final[dict[type, bytes]] = {
    str: b"Keyword",
    bool: b"Bool",
    int: b"Int",
    float: b"Double",
    datetime: b"Datetime",
}


def write_attributes(encoded: Mapping[str, str]) -> dict[str, Any]:
    """Return recorded attributes, or changes of them, as Temporal writes them. One that is taken away is null."""
    values = decode_attributes({name: text for name, text in encoded.items() if text})
    return {FIELDS: {name: _written(values.get(name)) for name in encoded}}


def read_attributes(value: Any, where: str) -> dict[str, str]:
    """Return attributes, or changes of them, as they are recorded here; Temporal's own are left out.

    Args:
        value: `{"indexedFields": ...}`, or the fields.
        where: the event, for errors.

    Raises:
        HistoryError: one has a name or a value that no attribute has here.
    """
    fields = value.get(FIELDS, value) if isinstance(value, Mapping) else {}
    if not isinstance(fields, Mapping):
        raise HistoryError("search attributes are not fields by name", where)
    values = {name: _read(each, name, where) for name, each in fields.items() if not name.startswith(OWN_PREFIX)}
    try:
        return encode_changes(values)
    except InputError as error:
        problem = ", ".join(f"{pointer[1:]} {text}".strip() for pointer, text in error.problems)
        raise HistoryError(f"Holdfast has no words for a search attribute: {problem}"[:300], where) from None


def _written(value: AttributeValue | None) -> dict[str, Any]:
    if value is None:
        return write_payload(NULL)
    payload = write_payload(msgspec.json.encode(value))
    payload["metadata"]["type"] = base64.b64encode(_TYPES[type(value)]).decode("ascii")
    return payload


def _read(value: Any, name: str, where: str) -> AttributeValue | None:
    found: Any = msgspec.json.decode(read_payload(value, where))
    if isinstance(found, list) and len(found) <= 1:  # older SDKs write every value as a list
        found = found[0] if found else None
    if isinstance(found, list | dict):
        raise HistoryError(
            f"Holdfast has no words for search attribute {str(name)[:60]!r}: it is no single value", where
        )
    if isinstance(found, str) and _type_of(value) == "Datetime":
        try:
            return datetime.fromisoformat(found)
        except ValueError:
            raise HistoryError(f"search attribute {str(name)[:60]!r} is no time", where) from None
    value_found: AttributeValue | None = found
    return value_found


def _type_of(value: Any) -> str:
    """Return the type that a payload says it is of; empty where it says none."""
    metadata = value.get("metadata") if isinstance(value, Mapping) else None
    kind = metadata.get("type", "") if isinstance(metadata, Mapping) else ""
    if not isinstance(kind, str):
        return ""
    if kind in {"Keyword", "Bool", "Int", "Double", "Datetime", "Text", "KeywordList"}:
        return kind  # decoded for people
    try:
        return base64.b64decode(kind, validate=True).decode("ascii")
    except ValueError:
        return ""
