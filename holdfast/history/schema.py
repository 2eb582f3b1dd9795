"""The format of history files as a JSON Schema (draft 2020-12), made from the events themselves.

Owns: how each type of field stands in the schema.
Must not know: the meaning of any event.

`holdfast-history-1.schema.json` beside this module is what `transcript_schema` returns; `python -m scripts.reference`
writes it, and a test holds it to that.
"""

from __future__ import annotations

import types
from typing import Any, Final, TypeAlias, Union, get_args, get_origin

import msgspec

from holdfast.history.captures import CaptureNote
from holdfast.history.events import AnyEvent, Attempt, BlobRef
from holdfast.history.failures import Failure
from holdfast.history.transcript import FORMAT

FILE_NAME: Final = "holdfast-history-1.schema.json"
"""The schema's file, in this package."""

JsonSchema: TypeAlias = dict[str, Any]

_PAYLOADS: Final = frozenset({"input", "result"})
_SIMPLE: Final[dict[Any, JsonSchema]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    bytes: {"type": "string", "pattern": "^(?:[0-9a-f]{2})*$"},
    Failure: {"$ref": "#/$defs/Failure"},
    Attempt: {"$ref": "#/$defs/Attempt"},
}


def transcript_schema() -> JsonSchema:
    """Return the JSON Schema of a history file."""
    kinds = {kind.__name__: kind for kind in get_args(AnyEvent)}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": FORMAT,
        "description": "One execution of a workflow: every recorded event, in order. The format only ever grows.",
        **_object(
            {
                "format": {"const": FORMAT},
                "run": {
                    "type": "object",
                    "properties": dict.fromkeys(("workflow", "run_id", "execution"), _SIMPLE[str]),
                    "additionalProperties": False,
                },
                "about": {"type": "object", "additionalProperties": _SIMPLE[str]},
                "places": {
                    "type": "object",
                    "description": "Where in the code decisions were made, by event id.",
                    "additionalProperties": _SIMPLE[str],
                },
                "capture": {"$ref": "#/$defs/CaptureNote"},
                "outcomes": {
                    "type": "object",
                    "description": "What came of each item of each fan-out, by step.",
                    "additionalProperties": {"type": "array", "items": {"$ref": "#/$defs/ItemOutcome"}},
                },
                "exchanges": {
                    "type": "object",
                    "description": "Calls of attempts that came to nothing, by step.",
                    "additionalProperties": {"type": "array", "items": {"$ref": "#/$defs/Exchange"}},
                },
                "events": {
                    "type": "array",
                    "minItems": 1,
                    "items": {"oneOf": [{"$ref": f"#/$defs/{name}"} for name in kinds]},
                },
            },
            required=["format", "run", "events"],
        ),
        "$defs": {
            "Failure": _failure(),
            "Attempt": _object(
                {
                    "number": _SIMPLE[int],
                    "started": _SIMPLE[float],
                    "ended": _SIMPLE[float],
                    "worker": _SIMPLE[str],
                    "failure": {"anyOf": [_SIMPLE[Failure], _SIMPLE[type(None)]]},
                },
                required=["number", "started", "ended"],
            ),
            "ItemOutcome": {
                "type": "object",
                "properties": {**_payload("result"), "failure": _SIMPLE[Failure]},
                "minProperties": 1,
                "maxProperties": 1,
                "additionalProperties": False,
            },
            "Exchange": _object(
                {
                    **dict.fromkeys(("method", "url", "reason"), _SIMPLE[str]),
                    "status": _SIMPLE[int],
                    "headers": {"type": "object", "additionalProperties": _SIMPLE[str]},
                    "cut": _SIMPLE[bool],
                    **_payload("request"),
                    **_payload("body"),
                },
                required=["method", "url"],
            ),
            **_capture_definitions(),
            **{name: _event(name, kind) for name, kind in kinds.items()},
        },
    }


def _object(properties: JsonSchema, required: list[str]) -> JsonSchema:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _failure() -> JsonSchema:
    properties: JsonSchema = dict.fromkeys(("type", "message", "traceback"), _SIMPLE[str])
    return _object(properties | {"retryable": _SIMPLE[bool], "cause": _SIMPLE[Failure]}, required=["type"])


def _capture_definitions() -> JsonSchema:
    made = msgspec.json.schema(CaptureNote)
    definitions: JsonSchema = made["$defs"]
    return definitions


def _event(name: str, kind: type[msgspec.Struct]) -> JsonSchema:
    properties: JsonSchema = {"id": {"type": "integer", "minimum": 1}, "event": {"const": name}}
    required = ["id", "event"]
    alternatives: list[JsonSchema] = []
    for each in msgspec.structs.fields(kind):
        if each.name == "time":
            properties |= {"time": {"type": "string", "format": "date-time"}, "at": _SIMPLE[float]}
            alternatives.append(_one_of_these("time", "at"))
        elif each.name in _PAYLOADS:
            properties |= _payload(each.name)
            if type(None) not in get_args(each.type):
                alternatives.append(_one_of_these(*_payload(each.name)))
        else:
            properties[each.name] = _type(each.type)
            if each.required:
                required.append(each.name)
    schema = _object(properties, required)
    return schema | ({"allOf": alternatives} if alternatives else {})


def _one_of_these(*names: str) -> JsonSchema:
    return {"anyOf": [{"required": [name]} for name in names]}


def _payload(name: str) -> JsonSchema:
    return {
        name: {"description": "Any JSON value."},
        f"{name}_text": {"type": "string", "description": "JSON text that would not come back byte for byte."},
        f"{name}_base64": {"type": "string", "description": "What is no JSON."},
    }


def _type(kind: Any) -> JsonSchema:
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (types.UnionType, Union):
        return {"anyOf": [_type(each) for each in arguments if each is not BlobRef]}
    if origin in (tuple, list):
        return {"type": "array", "items": _type(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": _type(arguments[1])}
    return {}
