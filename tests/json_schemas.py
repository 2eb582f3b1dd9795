"""As much of JSON Schema as the project's own schemas use.

Owns: the meaning of those keywords. A keyword it does not know is an error, not a pass.
Must not know: any schema.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

IGNORED = {"$schema", "$defs", "title", "description", "format", "default"}
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
TESTS: dict[str, tuple[tuple[type, ...], Callable[[Any, Any], bool]]] = {
    "const": ((object,), lambda value, wanted: value == wanted),
    "pattern": ((str,), lambda value, wanted: re.search(wanted, value) is not None),
    "minimum": ((int, float), lambda value, wanted: value >= wanted),
    "minItems": ((list,), lambda value, wanted: len(value) >= wanted),
    "minProperties": ((dict,), lambda value, wanted: len(value) >= wanted),
    "maxProperties": ((dict,), lambda value, wanted: len(value) <= wanted),
    "required": ((dict,), lambda value, wanted: set(wanted) <= set(value)),
}
"""Keywords that are a question about one value of some types."""


def problems(value: Any, schema: dict[str, Any], root: dict[str, Any] | None = None, path: str = "") -> Iterator[str]:
    """Yield what is wrong with `value`, with the JSON pointer of where."""
    root = root or schema
    for keyword, wanted in schema.items():
        if keyword in TESTS:
            types, test = TESTS[keyword]
            if isinstance(value, types) and not test(value, wanted):
                yield f"{path}: {keyword} is {wanted!r}"
        elif keyword == "type":
            if not isinstance(value, TYPES[wanted]) or (isinstance(value, bool) and wanted != "boolean"):
                yield f"{path}: no {wanted}"
        elif keyword == "$ref":
            yield from problems(value, root["$defs"][wanted.removeprefix("#/$defs/")], root, path)
        elif keyword == "allOf":
            for each in wanted:
                yield from problems(value, each, root, path)
        elif keyword in {"anyOf", "oneOf"}:
            fitting = sum(not any(True for _ in problems(value, each, root)) for each in wanted)
            if fitting == 0 or (keyword == "oneOf" and fitting > 1):
                yield f"{path}: fits {fitting} of {keyword}"
        elif keyword in {"properties", "additionalProperties", "items"}:
            yield from _inside(value, schema, keyword, root, path)
        elif keyword not in IGNORED:
            raise LookupError(f"the keyword {keyword!r} is not known here")


def _inside(value: Any, schema: dict[str, Any], keyword: str, root: dict[str, Any], path: str) -> Iterator[str]:
    inner = schema[keyword]
    members: list[tuple[Any, Any, Any]] = []
    if keyword == "items" and isinstance(value, list):
        members = [(index, each, inner) for index, each in enumerate(value)]
    elif keyword == "properties" and isinstance(value, dict):
        members = [(name, value[name], each) for name, each in inner.items() if name in value]
    elif keyword == "additionalProperties" and isinstance(value, dict):
        members = [(name, value[name], inner) for name in value if name not in schema.get("properties", {})]
    for name, each, wanted in members:
        if wanted is False:
            yield f"{path}: {name} is unknown"
        else:
            yield from problems(each, wanted, root, f"{path}/{name}")
