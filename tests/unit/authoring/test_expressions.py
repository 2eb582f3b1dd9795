"""Expressions, templates and mappings: checked where they are written, and nothing but finding when they are used."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.authoring import Expression, InputMapping, Template
from holdfast.errors import DefinitionError

CONTEXT = {
    "body": {"id": 7, "name": "ann", "tags": ["a", "b"], "paid": True, "price": 1.5, "{": "brace", "none": None},
    "headers": {"x-region": "eu"},
    "event": "push",
}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("body.id", 7),
        ("body.tags[0]", "a"),
        ('headers."x-region"', "eu"),
        ("body.name == 'ann' && body.paid", True),
        ("!(body.deleted)", True),
        ("join('-', body.tags)", "a-b"),
        ("body.nothing.at.all", None),
        ("{n: body.name, i: body.id}", {"n": "ann", "i": 7}),
        ("body.price > `1`", True),
    ],
)
def test_an_expression_finds_what_is_there(text, found):
    """JMESPath, and None for what is not there."""
    assert Expression(text, "filter").find(CONTEXT) == found


@pytest.mark.parametrize("text", ["", " ", "body.", "body[", "body..id", "'open", "a b", "nope(body)", "x" * 4_001])
def test_what_is_no_expression_is_refused_where_it_is_written(text):
    """With what it belongs to, and the line."""
    with pytest.raises(DefinitionError, match="filter of webhook 'w'"):
        Expression(text, "filter of webhook 'w'")


def test_a_function_that_is_not_there_is_named():
    """Also deep inside, and before anything is evaluated."""
    with pytest.raises(DefinitionError, match=r"no function upper\(\)"):
        Expression("body.tags[?upper(@) == 'A'] | [0]", "filter")


def test_what_a_function_does_not_take_is_an_error_of_the_value():
    """Not of the code: the delivery fails, and says why."""
    with pytest.raises(ValueError, match="cannot be evaluated"):
        Expression("join('-', body.name)", "id").find(CONTEXT)


@pytest.mark.parametrize("function", ["ceil", "floor"])
@pytest.mark.parametrize("number", ["1e999", "-1e999", "nan"])
def test_a_number_that_is_none_is_an_error_of_the_value(function, number):
    """Strangers write numbers as texts, too: beyond all floats there is nothing to round to."""
    with pytest.raises(ValueError, match="cannot be evaluated"):
        Expression(f"{function}(to_number(@))", "filter").find(number)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("plain", "plain"),
        ("pay-{body.id}", "pay-7"),
        ('{event}/{body.name}-{headers."x-region"}', "push/ann-eu"),
        ("{{{body.id}}}", "{7}"),
        ("{body.paid}:{body.price}", "true:1.5"),
        ('{body."{"}', "brace"),
        ("{values({n: body.name})[0]}", "ann"),
        ("{'}'}", "}"),
    ],
)
def test_a_template_is_filled(text, filled):
    """Braces around expressions, twice for a brace, and an expression's own braces and quotes are its own."""
    assert Template(text, "id").fill(CONTEXT) == filled


@pytest.mark.parametrize("text", ["", "{", "}", "a{body.id", "a}b", "{}", "{body.}", "{'}"])
def test_what_is_no_template_is_refused(text):
    """A brace that nothing closes or opens, or an expression that is none."""
    with pytest.raises(DefinitionError, match="id"):
        Template(text, "id")


@pytest.mark.parametrize("text", ["{body.nothing}", "{body.none}", "{body.tags}", "{body}", "{''}"])
def test_a_template_takes_texts_and_numbers_only(text):
    """Nothing, a list or an object is no part of a run's id."""
    with pytest.raises(ValueError, match="find"):
        Template(text, "id").fill(CONTEXT)


def test_a_mapping_is_json_with_expressions_for_texts():
    """At any depth; other values stand for themselves; what is not there is null."""
    source = {"who": "body.name", "all": ["body.id", 5, None, True], "kind": "'x'", "in": {"no": "body.nothing"}}
    expected = {"who": "ann", "all": [7, 5, None, True], "kind": "x", "in": {"no": None}}
    assert InputMapping(source, "input").fill(CONTEXT) == expected
    assert InputMapping("body.tags", "input").fill(CONTEXT) == ["a", "b"]


def test_a_mapping_that_cannot_work_is_refused():
    """What is no JSON, what is nested for ever, an expression that is none."""
    deep = "body"
    for _ in range(22):
        deep = [deep]
    for source in ({"a": {1, 2}}, deep, {"a": ["body."]}, object()):
        with pytest.raises(DefinitionError, match="input"):
            InputMapping(source, "input")


@given(st.text(max_size=40))
def test_any_text_is_a_template_or_a_definition_error(text):
    """Nothing else comes out, whatever is written."""
    try:
        Template(text, "id")
    except DefinitionError:
        return
