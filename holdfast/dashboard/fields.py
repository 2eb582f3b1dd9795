r"""Forms made from JSON Schemas: a value as fields, and fields as a value.

Owns: what fields are called, and reading what they say.
Must not know: HTML, HTTP, how shapes are told apart.

Theory of operation
===================

A field is called by the place of its value, as a JSON pointer: `v/lines/0/name`. What is not a value has a name of
its own: `n/lines` is how many there are, `u/payment` which of several shapes is chosen, `k/labels/0` the name of an
entry whose names are free. So a form needs no script: it sends all that is needed to be drawn again, with one line more
or another shape, and nothing of it has to be kept on the server.

    value  --fill-->  fields by name  --draw-->  a tree of fields, for the page
    fields by name  --read-->  value

`read(schema, fill(schema, value)) == value` for whatever fits the schema, save that a form has no line breaks but `\n`,
and that what is left out is filled in where the schema says with what.

A shape that no fields fit - any JSON at all, a schema that nobody foresaw - is a box for JSON. What somebody writes is
never refused here: a number that is none stays the text it is, and whoever takes the value says what is wrong, where.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from holdfast.dashboard.shapes import Book, Kind, Schema, choices_of, fits, is_same, kind_of, members_of
from holdfast.dashboard.words import pretty

ITEMS_MAX: Final = 500
"""How many lines of one list are drawn."""


_NUMBER: Final = re.compile(r"[+-]?[0-9]+")
_decode: Final = msgspec.json.Decoder().decode


@dataclass(slots=True)
class Field:
    """One field, or a group of them."""

    kind: Kind
    place: str
    """JSON pointer to its value."""
    label: str
    help: str = ""
    value: str = ""
    required: bool = True
    given: bool = True
    """Whether it is there; what may be left out may be given as nothing."""
    choices: list[str] = field(default_factory=list)
    """What can be chosen: values of a choice, shapes of a union."""
    chosen: int = 0
    children: list[Field] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    """Of entries: what each is called."""
    wrong: str = ""
    hint: str = ""


# --- A value as fields ---------------------------------------------------------------------------------------------


def fill(schema: Schema, value: Any = msgspec.UNSET) -> dict[str, str]:
    """Return the fields that say a value, by name; without one, what the schema says by default."""
    fields: dict[str, str] = {}
    _fill(Book(schema), schema, value, "", fields, 0)
    return fields


def _fill(book: Book, schema: Any, value: Any, place: str, fields: dict[str, str], depth: int) -> None:
    plain = book.plain(schema)
    if value is msgspec.UNSET:
        value = plain.get("default", msgspec.UNSET)
    kind = kind_of(plain, depth)
    match kind:
        case "union":
            shapes = book.shapes(plain)
            chosen = next(
                (index for index, each in enumerate(shapes) if value is not msgspec.UNSET and fits(book, each, value)),
                0,
            )
            fields[f"u{place}"] = str(chosen)
            _fill(book, shapes[chosen], value, place, fields, depth + 1)
        case "object":
            _fill_object(book, plain, value, place, fields, depth)
        case "list":
            items = value if isinstance(value, list) else []
            fields[f"n{place}"] = str(len(items))
            for index, each in enumerate(items):
                _fill(book, plain["items"], each, f"{place}/{index}", fields, depth + 1)
        case "entries":
            entries = value if isinstance(value, dict) else {}
            fields[f"n{place}"] = str(len(entries))
            for index, (name, each) in enumerate(entries.items()):
                fields[f"k{place}/{index}"] = name
                _fill(book, plain["additionalProperties"], each, f"{place}/{index}", fields, depth + 1)
        case "choice":
            choices = choices_of(plain)
            fields[f"v{place}"] = str(next((i for i, each in enumerate(choices) if is_same(each, value)), 0))
        case "nothing":
            pass
        case "json":
            fields[f"v{place}"] = "" if value is msgspec.UNSET else pretty(value)
        case _:
            fields[f"v{place}"] = "" if value is msgspec.UNSET or value is None else _written(value)


def _fill_object(book: Book, plain: Schema, value: Any, place: str, fields: dict[str, str], depth: int) -> None:
    is_tuple = bool(plain.get("prefixItems"))
    for name, each, needed in members_of(plain):
        if is_tuple:
            known = isinstance(value, list) and int(name) < len(value)
            inner = value[int(name)] if known else msgspec.UNSET
        else:
            inner = value.get(name, msgspec.UNSET) if isinstance(value, dict) else msgspec.UNSET
        at = f"{place}/{_token(name)}"
        if not needed:
            fields[f"g{at}"] = "0" if inner is msgspec.UNSET else "1"
            if inner is msgspec.UNSET:
                continue
        _fill(book, each, inner, at, fields, depth + 1)


def _written(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


# --- Fields as a value ---------------------------------------------------------------------------------------------


_FIRST: Final[Mapping[Kind, str]] = {"union": "u", "list": "n", "entries": "n"}
"""Which field says that there is a value, where it is not the value's own."""


def read(schema: Schema, fields: Mapping[str, str]) -> Any:
    """Return the value that fields say."""
    return _read(Book(schema), schema, fields, "", 0)


def _read(book: Book, schema: Any, fields: Mapping[str, str], place: str, depth: int) -> Any:
    plain = book.plain(schema)
    kind = kind_of(plain, depth)
    if "default" in plain and f"{_FIRST.get(kind, 'v')}{place}" not in fields and kind not in {"object", "nothing"}:
        return plain["default"]  # nobody was asked for it yet
    text = fields.get(f"v{place}", "")
    match kind:
        case "union":
            shapes = book.shapes(plain)
            return _read(book, shapes[_index(fields.get(f"u{place}"), len(shapes))], fields, place, depth + 1)
        case "object" if plain.get("prefixItems"):
            return [_read(book, each, fields, f"{place}/{name}", depth + 1) for name, each, _ in members_of(plain)]
        case "object":
            return {
                name: _read(book, each, fields, f"{place}/{_token(name)}", depth + 1)
                for name, each, needed in members_of(plain)
                if needed or fields.get(f"g{place}/{_token(name)}") == "1"
            }
        case "list":
            return [
                _read(book, plain["items"], fields, f"{place}/{index}", depth + 1)
                for index in range(_count(fields, place))
            ]
        case "entries":
            return {
                fields.get(f"k{place}/{index}", ""): _read(
                    book, plain["additionalProperties"], fields, f"{place}/{index}", depth + 1
                )
                for index in range(_count(fields, place))
            }
        case "choice":
            choices = choices_of(plain)
            return choices[_index(text, len(choices))]
        case "nothing":
            return None
        case "number":
            return _number(text)
        case "json":
            return _json(text)
        case _:
            return text


def _number(text: str) -> Any:
    bare = text.strip()
    if _NUMBER.fullmatch(bare):
        return int(bare)
    try:
        found = _decode(bare)
    except msgspec.MsgspecError:
        return text
    return found if isinstance(found, float) else text


def _json(text: str) -> Any:
    if not text.strip():
        return None
    try:
        return _decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return text


def _count(fields: Mapping[str, str], place: str) -> int:
    text = fields.get(f"n{place}", "0")
    return min(int(text), ITEMS_MAX) if text.isascii() and text.isdecimal() and len(text) < 6 else 0


def _index(text: str | None, length: int) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 6 and int(text) < length else 0


# --- Fields for a page ---------------------------------------------------------------------------------------------


def draw(schema: Schema, fields: Mapping[str, str], wrong: Mapping[str, str] | None = None, label: str = "") -> Field:
    """Return the tree of fields that a page shows, with what is wrong at its place."""
    return _draw(Book(schema), schema, fields, dict(wrong or {}), "", label, 0)


def _draw(
    book: Book, schema: Any, fields: Mapping[str, str], wrong: dict[str, str], place: str, label: str, depth: int
) -> Field:
    plain = book.plain(schema)
    kind = kind_of(plain, depth)
    drawn = Field(
        kind,
        place,
        label or str(plain.get("title", "")),
        str(plain.get("description", "")) if depth else "",
        fields.get(f"v{place}", ""),
        wrong=wrong.pop(place, ""),
        hint=_hint(plain),
    )
    match kind:
        case "union":
            shapes = book.shapes(plain)
            drawn.chosen = _index(fields.get(f"u{place}"), len(shapes))
            drawn.choices = [_shape_name(book, each) for each in shapes]
            drawn.children = [_draw(book, shapes[drawn.chosen], fields, wrong, place, " ", depth + 1)]
        case "object":
            for name, each, needed in members_of(plain):
                at = f"{place}/{_token(name)}"
                if needed or fields.get(f"g{at}") == "1":
                    child = _draw(book, each, fields, wrong, at, name, depth + 1)
                else:
                    child = Field("nothing", at, name, given=False, wrong=wrong.pop(at, ""))
                child.required = needed
                drawn.children.append(child)
        case "list":
            for index in range(_count(fields, place)):
                drawn.children.append(
                    _draw(book, plain["items"], fields, wrong, f"{place}/{index}", str(index + 1), depth + 1)
                )
        case "entries":
            for index in range(_count(fields, place)):
                drawn.names.append(fields.get(f"k{place}/{index}", ""))
                at = f"{place}/{index}"
                named = f"{place}/{_token(drawn.names[-1])}"
                child = _draw(book, plain["additionalProperties"], fields, wrong, at, drawn.names[-1] or "…", depth + 1)
                child.wrong = child.wrong or wrong.pop(named, "")
                drawn.children.append(child)
        case "choice":
            choices = choices_of(plain)
            drawn.chosen = _index(drawn.value, len(choices))
            drawn.choices = [_plainly(each) for each in choices]
        case _:
            pass
    return drawn


def _shape_name(book: Book, plain: Schema) -> str:
    match kind_of(plain):
        case "nothing":
            return "nothing"
        case "object":
            return str(plain.get("title") or "object")
        case "list":
            return f"list of {_shape_name(book, book.plain(plain.get('items')))}"
        case "choice" if "const" in plain:
            return _plainly(plain["const"])
        case "choice" if "enum" in plain:
            return str(plain.get("title") or "one of " + ", ".join(map(_plainly, plain["enum"][:4])))
        case _:
            return str(plain.get("format") or plain.get("type") or "JSON")


def _plainly(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case str():
            return value
        case _:
            return msgspec.json.encode(value).decode()


def _hint(plain: Schema) -> str:
    hints = []
    if plain.get("format") and plain["format"] != "date":
        hints.append("such as 2026-11-30T08:00:00Z" if plain["format"] == "date-time" else str(plain["format"]))
    if plain.get("type") == "integer":
        hints.append("a whole number")
    if "minimum" in plain:
        hints.append(f"from {plain['minimum']}")
    if "maximum" in plain:
        hints.append(f"to {plain['maximum']}")
    if "maxLength" in plain:
        hints.append(f"at most {plain['maxLength']:,} characters")
    return ", ".join(hints)


# --- Buttons of the form itself -------------------------------------------------------------------------------------


def changed(fields: Mapping[str, str], button: str, schema: Schema) -> dict[str, str]:
    """Return the fields after a button of the form itself was pressed: `add`, `drop`, `give` or `take` and a place."""
    verb, _, place = button.partition(" ")
    after = dict(fields)
    match verb:
        case "add":
            after[f"n{place}"] = str(min(_count(fields, place) + 1, ITEMS_MAX))
        case "drop":
            _drop(after, place)
        case "give" | "take":
            after[f"g{place}"] = "1" if verb == "give" else "0"
    # What has come into being gets what the schema says by default.
    return {
        **fill(schema, read(schema, after)),
        **{name: value for name, value in after.items() if name[:1] in "vunkg"},
    }


def _drop(fields: dict[str, str], place: str) -> None:
    parent, _, last = place.rpartition("/")
    count = _count(fields, parent)
    gone = _index(last, count)
    moved: dict[str, str] = {}
    for name in list(fields):
        kind, at = name[:1], name[1:]
        if kind in "vungk" and at.startswith(f"{parent}/"):
            token, slash, rest = at[len(parent) + 1 :].partition("/")
            if not token.isdecimal() or int(token) < gone:
                continue
            value = fields.pop(name)
            if int(token) > gone:
                moved[f"{kind}{parent}/{int(token) - 1}{slash}{rest}"] = value
    fields |= moved
    fields[f"n{parent}"] = str(max(count - 1, 0))


def _token(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
