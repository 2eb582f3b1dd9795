"""What answers have been like so far, and how one that is otherwise differs.

Owns: a contract as a value, the kinds of differences, and finding them: between a contract and an answer, and between
two contracts.
Must not know: how a contract is learned, where it is kept, what is done about a difference.

Theory of operation
===================

A contract has the statuses and content types of the answers it was learned from, and a JSON Schema of their bodies. The
schema has what inference writes, and nothing else: `type` or `anyOf`, `properties` and `required`, `items`, `enum`, and
`additionalProperties: true` where the names of an object's fields are data themselves.

What a difference means to code that reads the answer:

    additive    there is more than before: code that does not know it does not miss it
    widened     what was there may now be of another kind besides: null, a fraction, a text that was never seen
    narrowed    what was possible does not happen any more
    breaking    what was always there is missing, or of another type; another status, or another content type

A text that was never seen is breaking where code matches on the field, which only whoever wrote the code can say.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum
from itertools import islice
from typing import Any, Final, TypeAlias

import msgspec

DIFFERENCES_MAX: Final = 20
"""How many differences one comparison finds."""
VALUE_CHARACTERS_MAX: Final = 60
"""How much of a text a difference shows."""
NOTHING: Final = "nothing"
"""What is found where a value is missing."""

Schema: TypeAlias = Mapping[str, Any]


class Kind(StrEnum):
    """What a difference means to code that reads the answer."""

    ADDITIVE = "additive"
    WIDENED = "widened"
    NARROWED = "narrowed"
    BREAKING = "breaking"


class Difference(msgspec.Struct, frozen=True):
    """One difference. No value of an answer is in it, unless it is a text where only certain texts were seen."""

    kind: Kind
    path: str
    """Where in the answer: `data[].amount`; empty for all of it."""
    expected: str
    found: str


class Contract(msgspec.Struct, frozen=True):
    """What answers have been like. Kept: fields are only appended."""

    answers: int = 0
    """From how many it was learned."""
    statuses: tuple[int, ...] = ()
    types: tuple[str, ...] = ()
    """Content types, without parameters; empty for answers without one."""
    body: dict[str, Any] | None = None
    """A JSON Schema; None where no answer was JSON."""


class Learned(msgspec.Struct, frozen=True):
    """A version of a contract, as it is kept. Fields are only appended."""

    contract: Contract = Contract()
    changes: tuple[Difference, ...] = ()
    """How it differs from the version before."""


encode_learned: Final = msgspec.json.Encoder().encode
_decode_learned = msgspec.json.Decoder(Learned).decode


def decode_learned(body: bytes) -> Learned:
    """Return what is kept of a version; of one that is only begun, nothing."""
    return _decode_learned(body) if body else Learned()


class Seen(msgspec.Struct, frozen=True):
    """An answer, as far as a contract speaks of it."""

    status: int
    type: str
    """Its content type, without parameters."""
    is_json: bool = False
    value: Any = None
    """Its body as JSON values, where it is JSON."""


_WORDS: Final[Mapping[str, str]] = {
    "null": "null",
    "boolean": "a valid boolean",
    "integer": "a valid integer",
    "number": "a valid number",
    "string": "a valid string",
    "array": "a valid list",
    "object": "a valid object",
}
"""Types in the words in which validation names them, which proposals of mappings read."""
_FOUND: Final[Mapping[str, str]] = {
    "null": "null",
    "boolean": "true or false",
    "integer": "a number",
    "number": "a number",
    "string": "text",
    "array": "a list",
    "object": "an object",
}


def differences(contract: Contract, seen: Seen, matches: Collection[str] = ()) -> tuple[Difference, ...]:
    """Return how an answer differs from a contract, each difference once, those that break first.

    Args:
        contract: what was learned.
        seen: the answer.
        matches: paths of fields on which code matches: a text that was never seen there is breaking.
    """
    found = dict.fromkeys(islice(_of_answer(contract, seen, matches), DIFFERENCES_MAX * 10))
    return tuple(sorted(found, key=_gravity)[:DIFFERENCES_MAX])


def changes(before: Contract, after: Contract, matches: Collection[str] = ()) -> tuple[Difference, ...]:
    """Return how a contract differs from an earlier one, those that break first."""
    found: dict[Difference, None] = {}
    for status in after.statuses:
        if status not in before.statuses:
            found[Difference(Kind.BREAKING, "", _list(before.statuses, "status "), f"status {status}")] = None
    for kind in after.types:
        if kind not in before.types:
            found[Difference(Kind.BREAKING, "", _types(before.types), _type(kind))] = None
    gone = [each for each in before.statuses if each not in after.statuses]
    if gone and all(each in before.statuses for each in after.statuses):
        found[Difference(Kind.NARROWED, "", _list(before.statuses, "status "), _list(after.statuses, "status "))] = None
    if before.body is not None and after.body is not None:
        found.update(dict.fromkeys(islice(_of_schemas(before.body, after.body, "", matches), DIFFERENCES_MAX * 10)))
    return tuple(sorted(found, key=_gravity)[:DIFFERENCES_MAX])


def breaks(found: Collection[Difference]) -> bool:
    """Say whether one of the differences is breaking."""
    return any(each.kind is Kind.BREAKING for each in found)


def variants(schema: Schema) -> dict[str, Schema]:
    """Return what a schema says, by the type of the value."""
    found: dict[str, Schema] = {}
    for each in schema.get("anyOf", (schema,)):
        types = each.get("type", ())
        for name in (types,) if isinstance(types, str) else types:
            found[name] = each
    return found


def type_of(value: Any) -> str:
    """Return the type of a JSON value, as schemas name it."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list() | tuple():
            return "array"
        case _:
            return "object"


def _gravity(difference: Difference) -> int:
    return _GRAVITY[difference.kind]


_GRAVITY: Final = {Kind.BREAKING: 0, Kind.WIDENED: 1, Kind.NARROWED: 2, Kind.ADDITIVE: 3}


# --- A contract and an answer ------------------------------------------------------------------------------------


def _of_answer(contract: Contract, seen: Seen, matches: Collection[str]) -> Iterator[Difference]:
    if seen.status not in contract.statuses:
        yield Difference(Kind.BREAKING, "", _list(contract.statuses, "status "), f"status {seen.status}")
    if seen.type not in contract.types:
        yield Difference(Kind.BREAKING, "", _types(contract.types), _type(seen.type))
    elif seen.is_json and contract.body is not None:
        yield from _of_value(contract.body, seen.value, "", matches)


def _of_value(schema: Schema, value: Any, path: str, matches: Collection[str]) -> Iterator[Difference]:
    known, name = variants(schema), type_of(value)
    if name == "integer" and "integer" not in known and "number" in known:
        name = "number"
    if name not in known:
        yield Difference(_retyped(known, name), path, _expected(known), _FOUND[name])
        return
    of_type = known[name]
    match name:
        case "object":
            yield from _of_object(of_type, value, path, matches)
        case "array":
            items = of_type.get("items", {})
            for each in value:
                yield from _of_value(items, each, f"{path}[]", matches)
        case "string" if "enum" in of_type and value not in of_type["enum"]:
            yield Difference(_unseen(path, matches), path, _texts(of_type["enum"]), repr(value[:VALUE_CHARACTERS_MAX]))


def _of_object(schema: Schema, value: Mapping[str, Any], path: str, matches: Collection[str]) -> Iterator[Difference]:
    if schema.get("additionalProperties"):
        return
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield Difference(Kind.BREAKING, _below(path, name), "a value", NOTHING)
    for name, inner in value.items():
        if name in properties:
            yield from _of_value(properties[name], inner, _below(path, name), matches)
        else:
            yield Difference(Kind.ADDITIVE, _below(path, name), NOTHING, _FOUND[type_of(inner)])


# --- Two contracts -----------------------------------------------------------------------------------------------


def _of_schemas(before: Schema, after: Schema, path: str, matches: Collection[str]) -> Iterator[Difference]:
    known, now = variants(before), variants(after)
    if not now:  # nothing is known of it yet
        return
    for name, of_type in now.items():
        if name in known:
            yield from _of_types(name, known[name], of_type, path, matches)
        elif name == "integer" and "number" in known:
            yield Difference(Kind.NARROWED, path, _WORDS["number"], _WORDS["integer"])
        else:
            yield Difference(_retyped(known, name), path, _expected(known), _FOUND[name])
    for name in known:
        if name not in now and not (name == "number" and "integer" in now) and any(each in known for each in now):
            yield Difference(Kind.NARROWED, path, _expected(known), _expected(now))
            break


def _of_types(name: str, before: Schema, after: Schema, path: str, matches: Collection[str]) -> Iterator[Difference]:
    match name:
        case "object":
            yield from _of_objects(before, after, path, matches)
        case "array":
            yield from _of_schemas(before.get("items", {}), after.get("items", {}), f"{path}[]", matches)
        case "string" if "enum" in before:
            if "enum" not in after:
                yield Difference(_unseen(path, matches), path, _texts(before["enum"]), "other texts")
                return
            for each in after["enum"]:
                if each not in before["enum"]:
                    yield Difference(_unseen(path, matches), path, _texts(before["enum"]), repr(each))
            if set(after["enum"]) < set(before["enum"]):
                yield Difference(Kind.NARROWED, path, _texts(before["enum"]), _texts(after["enum"]))


def _of_objects(before: Schema, after: Schema, path: str, matches: Collection[str]) -> Iterator[Difference]:
    if before.get("additionalProperties") or after.get("additionalProperties"):
        return
    old, new = before.get("properties", {}), after.get("properties", {})
    was, is_now = set(before.get("required", ())), set(after.get("required", ()))
    for name in old:
        where = _below(path, name)
        if name not in new:
            kind = Kind.BREAKING if name in was else Kind.NARROWED
            yield Difference(kind, where, "a value" if name in was else "a value or nothing", NOTHING)
            continue
        if name in was and name not in is_now:
            yield Difference(Kind.BREAKING, where, "a value", "a value or nothing")
        elif name in is_now and name not in was:
            yield Difference(Kind.NARROWED, where, "a value or nothing", "a value")
        yield from _of_schemas(old[name], new[name], where, matches)
    for name in new:
        if name not in old:
            yield Difference(Kind.ADDITIVE, _below(path, name), NOTHING, _expected(variants(new[name])))


# --- Words -------------------------------------------------------------------------------------------------------


def _retyped(known: Mapping[str, Schema], name: str) -> Kind:
    """Return what it means that a value is of a type that none was of before."""
    if not known:  # of an empty list nothing was known
        return Kind.ADDITIVE
    if name == "null" or set(known) == {"null"} or (name == "number" and "integer" in known):
        return Kind.WIDENED
    return Kind.BREAKING


def _unseen(path: str, matches: Collection[str]) -> Kind:
    return Kind.BREAKING if path in matches else Kind.WIDENED


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _expected(known: Mapping[str, Schema]) -> str:
    return " or ".join(_WORDS[each] for each in _WORDS if each in known) or NOTHING


def _texts(known: Collection[str]) -> str:
    return " or ".join(repr(each[:VALUE_CHARACTERS_MAX]) for each in known)


def _type(kind: str) -> str:
    return kind[:VALUE_CHARACTERS_MAX] or "something without a content type"


def _types(known: Collection[str]) -> str:
    return " or ".join(_type(each) for each in known) or NOTHING


def _list(known: Collection[int], word: str) -> str:
    return word + " or ".join(str(each) for each in known) if known else NOTHING
