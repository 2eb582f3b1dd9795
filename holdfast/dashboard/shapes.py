"""The shapes of a JSON Schema: what fields can tell apart.

Owns: following references, which field a shape needs, and which shape a value has.
Must not know: fields' names, what is in them, HTML.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

DEPTH_MAX: Final = 20
"""How deep shapes may be nested; what is deeper is a box for JSON."""
SHAPES_MAX: Final = 200
"""With so many shapes to choose from, choices among them are looked into no further: a schema may refer to itself."""

Kind = Literal["text", "number", "date", "choice", "json", "nothing", "object", "list", "entries", "union"]
Schema = Mapping[str, Any]


class Book:
    """A schema, with the definitions that it refers to."""

    def __init__(self, schema: Schema) -> None:
        """Read `schema` as its own root."""
        self.root = schema
        self._definitions: Mapping[str, Any] = schema.get("$defs", {})

    def plain(self, schema: Any) -> dict[str, Any]:
        """Return a schema without references, and with its types as shapes to choose from."""
        seen = 0
        found: dict[str, Any] = dict(schema) if isinstance(schema, Mapping) else {}
        while seen < DEPTH_MAX:
            seen += 1
            if "$ref" in found:
                target = self._definitions.get(str(found.pop("$ref")).removeprefix("#/$defs/"), {})
                found = {**target, **found}
            elif len(found.get("allOf", ())) == 1:
                (only,) = found.pop("allOf")
                found = {**only, **found}
            else:
                break
        if isinstance(found.get("type"), list):
            rest = {name: value for name, value in found.items() if name != "type"}
            found["anyOf"] = [{**rest, "type": each} for each in found.pop("type")]
        return found

    def shapes(self, plain: Schema) -> list[dict[str, Any]]:
        """Return what can be chosen from, where something can.

        A choice among choices is one choice: both would be in the field of one place.
        """
        found: list[dict[str, Any]] = []
        self._gather(plain, found, 0)
        return found

    def _gather(self, plain: Schema, found: list[dict[str, Any]], depth: int) -> None:
        for each in plain.get("anyOf") or plain.get("oneOf") or ():
            shape = self.plain(each)
            if depth < DEPTH_MAX and len(found) < SHAPES_MAX and kind_of(shape) == "union":
                self._gather(shape, found, depth + 1)
            else:
                found.append(shape)


def kind_of(plain: Schema, depth: int = 0) -> Kind:
    """Return which field a schema without references needs."""
    if depth > DEPTH_MAX:
        return "json"
    if "const" in plain and plain["const"] is None:
        return "nothing"
    if "const" in plain or "enum" in plain:
        return "choice"
    if plain.get("anyOf") or plain.get("oneOf"):
        return "union"
    match plain.get("type"):
        case "null":
            return "nothing"
        case "boolean":
            return "choice"
        case "integer" | "number":
            return "number"
        case "string":
            return "date" if plain.get("format") == "date" else "text"
        case "object" if plain.get("properties") or plain.get("additionalProperties") is False:
            return "object" if not isinstance(plain.get("additionalProperties"), Mapping) else "json"
        case "object" if isinstance(plain.get("additionalProperties"), Mapping) and not plain.get("patternProperties"):
            return "entries"
        case "array" if isinstance(plain.get("items"), Mapping) and not plain.get("prefixItems"):
            return "list"
        case "array" if plain.get("prefixItems") and plain.get("items", True) is not True:
            return "list" if isinstance(plain.get("items"), Mapping) else "object"
        case _:
            return "json"


def choices_of(plain: Schema) -> list[Any]:
    """Return the values of a choice."""
    if "const" in plain:
        return [plain["const"]]
    return list(plain["enum"]) if "enum" in plain else [False, True]


def members_of(plain: Schema) -> list[tuple[str, Any, bool]]:
    """Return name, schema and whether it has to be there, of each member of an object or a tuple."""
    if plain.get("prefixItems"):
        return [(str(index), each, True) for index, each in enumerate(plain["prefixItems"])]
    needed = set(plain.get("required", ()))
    # What has a default is always sent; what has none and may be left out is chosen to be there.
    return [
        (name, each, name in needed or default_of(each) is not msgspec.UNSET)
        for name, each in plain.get("properties", {}).items()
    ]


def default_of(schema: Any) -> Any:
    """Return what a schema says by default; UNSET for nothing."""
    return schema.get("default", msgspec.UNSET) if isinstance(schema, Mapping) else msgspec.UNSET


def is_same(one: Any, other: Any) -> bool:
    """Say whether two plain values are the same, `1` and `true` being two."""
    return type(one) is type(other) and one == other


def fits(book: Book, schema: Any, value: Any, depth: int = 0) -> bool:
    """Say whether a value has a shape, as far as fields can tell shapes apart."""
    plain = book.plain(schema)
    match kind_of(plain, depth):
        case "union":
            return any(fits(book, each, value, depth + 1) for each in book.shapes(plain))
        case "choice":
            return any(is_same(each, value) for each in choices_of(plain))
        case "nothing":
            return value is None
        case "number":
            whole = plain.get("type") == "integer"
            return (
                not isinstance(value, bool)
                and isinstance(value, int if whole else int | float)
                and _within(plain, value)
            )
        case "text" | "date":
            return isinstance(value, str) and _looks(plain, value)
        case "list":
            return isinstance(value, list) and all(fits(book, plain["items"], each, depth + 1) for each in value)
        case "entries":
            inner = plain["additionalProperties"]
            return isinstance(value, dict) and all(fits(book, inner, each, depth + 1) for each in value.values())
        case "object" if plain.get("prefixItems"):
            members = plain["prefixItems"]
            return (
                isinstance(value, list)
                and len(value) == len(members)
                and all(map(lambda s, v: fits(book, s, v, depth + 1), members, value))
            )
        case "object":
            if not isinstance(value, dict) or not set(plain.get("required", ())) <= set(value):
                return False
            members = plain.get("properties", {})
            return all(name in members and fits(book, members[name], each, depth + 1) for name, each in value.items())
        case _:
            return True


def _within(plain: Schema, value: float) -> bool:
    low, high = plain.get("minimum"), plain.get("maximum")
    return (low is None or value >= low) and (high is None or value <= high)


_LOOKS: Final[Mapping[str, re.Pattern[str]]] = {
    "date": re.compile(r"\d{4}-\d\d-\d\d"),
    "date-time": re.compile(r"\d{4}-\d\d-\d\d[Tt ].+"),
    "time": re.compile(r"\d\d:\d\d.*"),
    "uuid": re.compile(r"[0-9a-fA-F-]{32,36}"),
}


def _looks(plain: Schema, value: str) -> bool:
    look = _LOOKS.get(str(plain.get("format", "")))
    return look is None or look.fullmatch(value) is not None
