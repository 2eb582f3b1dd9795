"""Forms from schemas: values survive the way through a form, and its own buttons work."""

from __future__ import annotations

import math
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.dashboard.asking import Asked
from holdfast.dashboard.fields import changed, draw, fill, read
from holdfast.dashboard.pages import _ENVIRONMENT
from holdfast.dashboard.shapes import Book, fits

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=12)
NAMES = st.text("abcdef/~ ü", min_size=1, max_size=5)
JSON = st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | TEXT, lambda inner: st.lists(inner, max_size=3))


def leaves() -> st.SearchStrategy[tuple[dict[str, Any], st.SearchStrategy[Any]]]:
    """Return schemas of plain values, each with the values that fit."""
    return st.sampled_from(
        [
            ({"type": "string"}, TEXT),
            ({"type": "integer"}, st.integers(-(10**20), 10**20)),
            ({"type": "number"}, st.floats(allow_nan=False, allow_infinity=False).map(float)),
            ({"type": "boolean"}, st.booleans()),
            ({"type": "null"}, st.none()),
            ({"type": "string", "format": "date"}, st.dates().map(str)),
            ({"type": "string", "format": "date-time"}, st.datetimes().map(lambda each: each.isoformat() + "Z")),
            ({"enum": ["a", 1, True, None, "1"]}, st.sampled_from(["a", 1, True, None, "1"])),
            ({"const": "fixed"}, st.just("fixed")),
            ({}, JSON),
        ]
    )


def deeper(inner):
    """Return schemas of lists, tuples, objects, entries and unions of what `inner` gives."""

    @st.composite
    def objects(draw):
        members = draw(st.dictionaries(NAMES, inner, max_size=3))
        needed = [name for name in members if draw(st.booleans())]
        schema = {"type": "object", "properties": {name: each[0] for name, each in members.items()}, "required": needed}
        values = st.fixed_dictionaries(
            {name: members[name][1] for name in needed},
            optional={name: each[1] for name, each in members.items() if name not in needed},
        )
        return schema if members else {**schema, "additionalProperties": False}, values

    @st.composite
    def unions(draw):
        shapes = draw(st.lists(inner, min_size=1, max_size=3))
        return {"anyOf": [each[0] for each in shapes]}, st.one_of(*(each[1] for each in shapes))

    return st.one_of(
        inner.map(lambda each: ({"type": "array", "items": each[0]}, st.lists(each[1], max_size=3))),
        inner.map(
            lambda each: (
                {"type": "object", "additionalProperties": each[0] or {"type": "null"}},
                st.dictionaries(TEXT, each[1] if each[0] else st.none(), max_size=3),
            )
        ),
        st.lists(inner, min_size=1, max_size=3).map(
            lambda several: (
                {"type": "array", "prefixItems": [each[0] for each in several], "items": False},
                st.tuples(*(each[1] for each in several)).map(list),
            )
        ),
        objects(),
        unions(),
    )


@given(st.recursive(leaves(), deeper, max_leaves=6).flatmap(lambda each: st.tuples(st.just(each[0]), each[1])))
@settings(max_examples=150, deadline=None)
def test_every_value_survives_its_form(case):
    """What fields say of a value is that value: nested, chosen from several shapes, left out, or empty."""
    schema, value = case
    fields = fill(schema, value)
    assert same(read(schema, fields), value)
    assert all(isinstance(each, str) for each in fields.values())
    page = Sent()
    page.feed(_ENVIRONMENT.from_string("{{ fields.form(asked) }}").render(asked=Asked(draw(schema, fields), "", False)))
    assert same(read(schema, page.fields), value)  # what a browser sends of the page that it has


class Sent(HTMLParser):
    """What a browser sends of a form: the fields that are on the page, with what is in them."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self._name = ""

    def handle_starttag(self, tag, attrs):
        """Take a field, or a choice of it."""
        about = dict(attrs)
        match tag:
            case "input":
                self.fields[about["name"]] = about["value"]
            case "select":
                self._name = about["name"]
                self.fields.setdefault(self._name, "0")
            case "option" if "selected" in about:
                self.fields[self._name] = about["value"]
            case "textarea":
                self._name = about["name"]
                self.fields[self._name] = ""

    def handle_endtag(self, tag):
        """End a field."""
        if tag == "textarea":
            # The line break right after the tag is none of its text.
            self.fields[self._name] = self.fields[self._name].removeprefix("\n")
        if tag in {"textarea", "select"}:
            self._name = ""

    def handle_data(self, data):
        """Take what is in a field."""
        if self._name.startswith("v") and self.lasttag == "textarea":
            self.fields[self._name] += data


def test_a_choice_among_choices_is_one_choice():
    """The inner one does not take the place of the outer one."""
    schema = {"anyOf": [{"type": "string"}, {"anyOf": [{"type": ["boolean", "integer"]}, {"type": "null"}]}]}
    for value in ("0", True, 0, None):
        assert same(read(schema, fill(schema, value)), value)
    endless = {"$ref": "#/$defs/E", "$defs": {"E": {"anyOf": [{"$ref": "#/$defs/E"}] * 3}}}
    assert len(Book(endless).shapes(Book(endless).plain(endless))) < 300


def same(one: Any, other: Any) -> bool:
    """Say whether two JSON values are the same, `1` and `1.0` and `true` being three."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other and (not isinstance(one, float) or math.copysign(1, one) == math.copysign(1, other))


TREE = {
    "$ref": "#/$defs/Tree",
    "$defs": {
        "Tree": {
            "type": "object",
            "title": "Tree",
            "properties": {
                "name": {"type": "string"},
                "branches": {"type": "array", "items": {"$ref": "#/$defs/Tree"}, "default": []},
                "parent": {"anyOf": [{"$ref": "#/$defs/Tree"}, {"type": "null"}], "default": None},
            },
            "required": ["name"],
        }
    },
}


def test_shapes_that_hold_themselves_end():
    """A tree is asked for one branch at a time."""
    fields = fill(TREE)
    assert read(TREE, fields) == {"name": "", "branches": [], "parent": None}
    value = {"name": "a", "branches": [{"name": "b", "branches": [], "parent": None}], "parent": None}
    assert read(TREE, fill(TREE, value)) == value
    assert fits(Book(TREE), TREE, value)


def test_lists_grow_and_shrink_without_a_script():
    """A line more has its defaults; a line less takes its own fields along, and the later ones move up."""
    schema = {
        "type": "array",
        "items": {"type": "object", "properties": {"n": {"type": "integer", "default": 3}}},
    }
    fields = fill(schema, [{"n": 1}, {"n": 2}])
    fields = changed(fields, "add ", schema)
    assert read(schema, fields) == [{"n": 1}, {"n": 2}, {"n": 3}]
    fields = changed(fields, "drop /0", schema)
    assert read(schema, fields) == [{"n": 2}, {"n": 3}]


def test_what_may_be_left_out_is_given_by_a_button():
    """Without a default it is not sent until somebody gives it."""
    schema = {"type": "object", "properties": {"note": {"type": "string"}}}
    fields = fill(schema)
    assert read(schema, fields) == {}
    given_now = changed(fields, "give /note", schema)
    assert read(schema, given_now) == {"note": ""}
    assert read(schema, changed(given_now, "take /note", schema)) == {}


@pytest.mark.parametrize("text", ["12x", "", "1e999", "NaN", "0x10", "\u0661"])
def test_a_number_that_is_none_stays_what_was_written(text):
    """Whoever takes the value says what is wrong with it."""
    schema = {"type": "number"}
    assert read(schema, {"v": text}) == text


def test_hostile_fields_do_no_harm():
    """Counts and choices that nobody could have sent are counted down to what there is."""
    schema = {"type": "array", "items": {"type": "string"}}
    assert len(read(schema, {"n": "99999"})) == 500
    assert read(schema, {"n": "-1"}) == []
    assert read(schema, {"n": "9" * 5_000}) == []
    union = {"anyOf": [{"type": "null"}, {"type": "string"}]}
    assert read(union, {"u": "7", "v": "x"}) is None
    assert draw(union, {"u": "x"}).chosen == 0


def test_what_is_wrong_stands_at_its_field():
    """A problem is shown where its pointer leads, and is gone from the list of those without a place."""
    schema = {
        "type": "object",
        "properties": {
            "lines": {
                "type": "array",
                "items": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
            }
        },
        "required": ["lines"],
    }
    drawn = draw(schema, fill(schema, {"lines": [{"n": 1}]}), {"/lines/0/n": "expected a number"})
    assert drawn.children[0].children[0].children[0].wrong == "expected a number"
