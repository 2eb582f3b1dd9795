"""JSON Schemas (draft 2020-12) put together from parts.

Owns: one place for shared definitions, whatever library wrote a part.
Must not know: types, signatures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Schema = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE: Final = "#/$defs/"


def collect(schema: Mapping[str, Any], definitions: Mapping[str, Any] | None = None) -> Schema:
    """Return `schema` with every definition in it, at any depth, moved to one `$defs` on top."""
    shared: Schema = {}
    top = _lift(dict(schema), shared)
    for name, each in (definitions or {}).items():
        shared[name] = _lift(each, shared)
    return {**top, "$defs": shared} if shared else top


def document(schema: Schema) -> Schema:
    """Return `schema` as a document of its own, with its dialect on top."""
    return {"$schema": DIALECT, **schema}


def object_of(members: Mapping[str, Schema], required: list[str]) -> Schema:
    """Return the schema of an object with exactly these members; each may bring definitions."""
    schema: Schema = {"type": "object", "properties": dict(members), "required": required}
    return collect({**schema, "additionalProperties": False})


def _lift(node: Any, shared: Schema) -> Any:
    if isinstance(node, list):
        return [_lift(each, shared) for each in node]
    if not isinstance(node, dict):
        return node
    renamed: dict[str, str] = {}
    local = node.get("$defs")
    if isinstance(local, dict):
        for name, each in local.items():
            renamed[name] = _free_name(name, each, shared)
        if any(old != new for old, new in renamed.items()):
            node = _renamed(node, renamed)
            local = node["$defs"]
        for name, each in local.items():
            target = renamed[name]
            if target not in shared:
                shared[target] = None  # taken, while its own parts are lifted
                shared[target] = _lift(each, shared)
    return {key: _lift(each, shared) for key, each in node.items() if not (key == "$defs" and each is local)}


def _free_name(name: str, schema: Any, shared: Schema) -> str:
    candidate, number = name, 1
    while candidate in shared and shared[candidate] != schema:
        number += 1
        candidate = f"{name}_{number}"
    return candidate


def _renamed(node: Any, names: Mapping[str, str]) -> Any:
    if isinstance(node, list):
        return [_renamed(each, names) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _REFERENCE + names.get(each.removeprefix(_REFERENCE), each.removeprefix(_REFERENCE))
        if key == "$ref" and isinstance(each, str) and each.startswith(_REFERENCE)
        else _renamed(each, names)
        for key, each in node.items()
    }
