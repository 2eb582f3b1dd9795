"""Contracts as answers teach them. The door to `genson`.

Owns: what an answer makes of a contract: while it is learned, when that is over, and later where something is added.
Must not know: where contracts are kept, calls, what is done about a difference.

Theory of operation
===================

The schema is `genson`'s, which merges values and schemas, with two rules of our own.

*Texts.* Inference cannot know whether a text is one of a few that mean something. So while a contract is learned, the
texts of each place are gathered, up to TEXTS_MAX of them. When it is over, they are the only ones known where they look
like codes and each was met TIMES_EACH times on average, or where code says that it matches on the place. They are
forgotten everywhere else: a contract keeps no values but such codes.

*Objects whose names are data*, such as `{"ch_17": {...}}`, and those with more than NAMES_MAX names, are open: nothing
is said of what is in them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec
from genson import SchemaBuilder
from genson.schema.strategies import Object, String

from holdfast.ports.contracts import Contract

if TYPE_CHECKING:
    from holdfast.ports.contracts import Schema, Seen

TEXTS_MAX: Final = 12
"""More texts than this at one place are no codes."""
TIMES_EACH: Final = 3
NAMES_MAX: Final = 200
DEPTH_MAX: Final = 40
"""Deeper answers are not learned from."""
SCHEMA_BYTES_MAX: Final = 64 * 1024
"""A larger schema is not kept: nothing is said of such bodies."""
MET: Final = "x-met"
"""While learning: how many texts were met at a place. Without `enum` beside it there were too many."""

_CODE: Final = re.compile(r"[A-Za-z][A-Za-z_.:-]{0,39}[0-9]{0,2}", re.ASCII)
"""A text that may be one of a few: `paid`, `PENDING_REVIEW`, `v2`; neither a number nor a sentence."""
_NAME: Final = re.compile(
    r"[0-9][0-9:T-]*|[0-9a-fA-F-]{16,}|[A-Za-z]{1,12}[-_](?=[0-9A-Za-z]*[0-9])[0-9A-Za-z]{6,}", re.ASCII
)
"""A name of a field that names one thing of many: a number, a date, a UUID, `ch_1a2b3c4d`; not `address_1`."""


class _Texts(String):  # type: ignore[misc] # genson has no types
    """Gathers texts while a contract is learned."""

    KEYWORDS = (*String.KEYWORDS, "enum", MET)

    def __init__(self, node_class: Any) -> None:
        super().__init__(node_class)
        self._texts: dict[str, None] = {}
        self._met = 0
        self._is_free = False

    def add_schema(self, schema: Schema) -> None:
        super().add_schema(schema)
        self._met += schema.get(MET, 0)
        if "enum" in schema:
            self._gather(schema["enum"])
        elif schema.get(MET) is None or schema[MET] > 0:
            self._is_free = True

    def add_object(self, obj: str) -> None:
        super().add_object(obj)
        self._met += 1
        self._gather((obj,))

    def to_schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = super().to_schema()
        schema[MET] = self._met
        if not self._is_free:
            schema["enum"] = list(self._texts)
        return schema

    def _gather(self, texts: Collection[str]) -> None:
        if not self._is_free:
            self._texts.update(dict.fromkeys(texts))
            self._is_free = len(self._texts) > TEXTS_MAX or not all(map(_CODE.fullmatch, texts))


class _KnownTexts(String):  # type: ignore[misc] # as above
    """Adds to texts that are known, and gathers no others."""

    KEYWORDS = (*String.KEYWORDS, "enum")

    def __init__(self, node_class: Any) -> None:
        super().__init__(node_class)
        self._texts: dict[str, None] | None = None

    def add_schema(self, schema: Schema) -> None:
        super().add_schema(schema)
        if "enum" in schema:
            self._texts = {**(self._texts or {}), **dict.fromkeys(schema["enum"])}

    def add_object(self, obj: str) -> None:
        super().add_object(obj)
        if self._texts is not None:
            self._texts[obj] = None

    def to_schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = super().to_schema()
        if self._texts is not None and len(self._texts) <= TEXTS_MAX:
            schema["enum"] = list(self._texts)
        return schema


class _Names(Object):  # type: ignore[misc] # as above
    """Opens objects whose names are data."""

    KEYWORDS = (*Object.KEYWORDS, "additionalProperties")

    def __init__(self, node_class: Any) -> None:
        super().__init__(node_class)
        self._names: set[str] = set()
        self._is_open = False

    def add_schema(self, schema: Schema) -> None:
        super().add_schema(schema)
        self._is_open |= bool(schema.get("additionalProperties"))
        self._look(schema.get("properties", ()))

    def add_object(self, obj: Mapping[str, Any]) -> None:
        self._look(obj)
        super().add_object({} if self._is_open else obj)

    def to_schema(self) -> dict[str, Any]:
        if self._is_open:
            return {"type": "object", "additionalProperties": True}
        schema: dict[str, Any] = super().to_schema()
        return schema

    def _look(self, names: Collection[str]) -> None:
        self._names.update(names)
        self._is_open |= len(self._names) > NAMES_MAX or any(map(_NAME.fullmatch, names))


class _Learning(SchemaBuilder):  # type: ignore[misc] # as above
    EXTRA_STRATEGIES = (_Texts, _Names)


class _Widening(SchemaBuilder):  # type: ignore[misc] # as above
    EXTRA_STRATEGIES = (_KnownTexts, _Names)


def learn_answer(contract: Contract, seen: Seen) -> Contract:
    """Return a contract that is being learned, after one answer more."""
    return _with(_Learning, contract, seen)


def end_learning(contract: Contract, matches: Collection[str] = ()) -> Contract:
    """Return a contract of which enough answers were seen.

    Args:
        contract: as `learn_answer` made it.
        matches: paths of fields on which code matches: their texts are the only ones known, however often each was met.
    """
    if contract.body is None:
        return contract
    return msgspec.structs.replace(contract, body=_ended(contract.body, "", frozenset(matches)))


def widen(contract: Contract, seen: Seen) -> Contract:
    """Return a contract that an answer fits which did not."""
    return _with(_Widening, contract, seen)


def closed(schema: Schema) -> dict[str, Any]:
    """Return a schema that also refuses what it does not mention: whatever fits it is nothing new."""
    if isinstance(schema.get("type"), list):
        return {"anyOf": [closed({**schema, "type": each}) for each in schema["type"]]}
    found = dict(schema)
    if "anyOf" in found:
        found["anyOf"] = [closed(each) for each in found["anyOf"]]
    if "items" in found:
        found["items"] = closed(found["items"])
    elif found.get("type") == "array":
        found["maxItems"] = 0
    if found.get("type") == "object" and not found.get("additionalProperties"):
        found["properties"] = {name: closed(each) for name, each in found.get("properties", {}).items()}
        found["additionalProperties"] = False
    return found


def _with(builder_class: type[SchemaBuilder], contract: Contract, seen: Seen) -> Contract:
    body = contract.body
    if seen.is_json and _depth(seen.value) <= DEPTH_MAX:
        builder = builder_class(schema_uri=None)
        if body is not None:
            builder.add_schema(body)
        builder.add_object(seen.value)
        body = builder.to_schema()
        if len(msgspec.json.encode(body)) > SCHEMA_BYTES_MAX:
            body = None
    return Contract(
        contract.answers + 1,
        tuple(sorted({*contract.statuses, seen.status})),
        tuple(sorted({*contract.types, seen.type})),
        body,
    )


def _ended(schema: Schema, path: str, matches: frozenset[str]) -> dict[str, Any]:
    found = {name: each for name, each in schema.items() if name != MET}
    if "anyOf" in found:
        found["anyOf"] = [_ended(each, path, matches) for each in found["anyOf"]]
    if "properties" in found:
        found["properties"] = {
            name: _ended(each, f"{path}.{name}" if path else name, matches)
            for name, each in found["properties"].items()
        }
    if "items" in found:
        found["items"] = _ended(found["items"], f"{path}[]", matches)
    if "enum" in found and path not in matches and schema.get(MET, 0) < TIMES_EACH * len(found["enum"]):
        del found["enum"]
    return found


def _depth(value: Any) -> int:
    """Return how deep lists and objects are in each other, as far as it matters."""
    level, depth = [value], 0
    while level and depth <= DEPTH_MAX:
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
        depth += 1
    return depth
