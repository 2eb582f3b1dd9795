"""How an answer differs from a contract, and a contract from an earlier one."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.ports.contracts import (
    DIFFERENCES_MAX,
    Contract,
    Difference,
    Kind,
    Learned,
    Seen,
    breaks,
    changes,
    decode_learned,
    differences,
    encode_learned,
)

JSON = "application/json"
NULL, TEXT, INTEGER, NUMBER = ({"type": each} for each in ("null", "string", "integer", "number"))
STATE = {"type": "string", "enum": ["open", "paid"]}


def an_object(*required: str, **properties: Any) -> dict[str, Any]:
    """Return the schema of an object."""
    return {"type": "object", "properties": properties, "required": list(required)}


def contract(body: Any, statuses: tuple[int, ...] = (200,), types: tuple[str, ...] = (JSON,)) -> Contract:
    """Return a contract that was learned."""
    return Contract(20, statuses, types, body)


ORDER = an_object("cents", "state", cents=INTEGER, state=STATE, note=TEXT)


@pytest.mark.parametrize(
    ("body", "value", "expected"),
    [
        (ORDER, {"cents": 5, "state": "paid"}, None),
        (ORDER, {"cents": 5, "state": "paid", "note": "x"}, None),
        (ORDER, {"state": "paid"}, (Kind.BREAKING, "cents", "a value", "nothing")),
        (ORDER, {"cents": "5", "state": "paid"}, (Kind.BREAKING, "cents", "a valid integer", "text")),
        (ORDER, {"cents": True, "state": "paid"}, (Kind.BREAKING, "cents", "a valid integer", "true or false")),
        (ORDER, {"cents": [5], "state": "paid"}, (Kind.BREAKING, "cents", "a valid integer", "a list")),
        (ORDER, [], (Kind.BREAKING, "", "a valid object", "a list")),
        (ORDER, {"cents": 5.5, "state": "paid"}, (Kind.WIDENED, "cents", "a valid integer", "a number")),
        (ORDER, {"cents": None, "state": "paid"}, (Kind.WIDENED, "cents", "a valid integer", "null")),
        (ORDER, {"cents": 5, "state": "lost"}, (Kind.WIDENED, "state", "'open' or 'paid'", "'lost'")),
        (ORDER, {"cents": 5, "state": "paid", "by": {}}, (Kind.ADDITIVE, "by", "nothing", "an object")),
        (an_object("n", n=NUMBER), {"n": 5}, None),
        (an_object("n", n=NULL), {"n": 5}, (Kind.WIDENED, "n", "null", "a number")),
        (an_object("n", n={"type": ["integer", "null"]}), {"n": None}, None),
        (
            an_object("n", n={"anyOf": [NULL, ORDER]}),
            {"n": {"state": "paid"}},
            (Kind.BREAKING, "n.cents", "a value", "nothing"),
        ),
        ({"type": "array", "items": ORDER}, [{"cents": 5}], (Kind.BREAKING, "[].state", "a value", "nothing")),
        (
            an_object("rooms", rooms={"type": "array"}),
            {"rooms": [5]},
            (Kind.ADDITIVE, "rooms[]", "nothing", "a number"),
        ),
        ({"type": "object", "additionalProperties": True}, {"ch_17": 5}, None),
    ],
)
def test_a_difference_is_found_and_called_what_it_is(body, value, expected):
    """Where in the answer, what was expected, what was found, and what that means to code that reads it."""
    found = differences(contract(body), Seen(200, JSON, is_json=True, value=value))
    assert found == (() if expected is None else (Difference(*expected),))


def test_a_new_text_breaks_code_that_matches_on_it():
    """Which fields these are, only code can say; paths go into lists."""
    body = {"type": "array", "items": an_object("state", state=STATE)}
    seen = Seen(200, JSON, is_json=True, value=[{"state": "lost"}])
    assert differences(contract(body), seen)[0].kind is Kind.WIDENED
    assert differences(contract(body), seen, {"[].state"})[0].kind is Kind.BREAKING


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (Seen(202, JSON, is_json=True, value={}), ("status 200 or 201", "status 202")),
        (Seen(200, "text/html"), ("application/json", "text/html")),
        (Seen(200, ""), ("application/json", "something without a content type")),
    ],
)
def test_another_status_or_content_type_breaks(seen, expected):
    """The body of another content type is not looked at."""
    found = differences(contract({"type": "object"}, (200, 201)), seen)
    assert found == (Difference(Kind.BREAKING, "", *expected),)


def test_differences_are_few_told_once_and_the_worst_first():
    """However large an answer is; none of its values is told."""
    rows = [{"cents": "secret", "state": "paid", f"more{number}": 1} for number in range(500)]
    found = differences(contract({"type": "array", "items": ORDER}), Seen(200, JSON, is_json=True, value=rows))
    assert len(found) == DIFFERENCES_MAX
    assert found[0] == Difference(Kind.BREAKING, "[].cents", "a valid integer", "text")
    assert breaks(found)
    assert len(set(found)) == len(found)
    assert "secret" not in str(found)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (ORDER, ORDER, None),
        (an_object("a", a=TEXT), an_object(), (Kind.BREAKING, "a", "a value", "nothing")),
        (an_object("a", a=TEXT), an_object(a=TEXT), (Kind.BREAKING, "a", "a value", "a value or nothing")),
        (an_object("a", a=TEXT), an_object("a", a=INTEGER), (Kind.BREAKING, "a", "a valid string", "a number")),
        (an_object(a=TEXT), an_object(), (Kind.NARROWED, "a", "a value or nothing", "nothing")),
        (an_object(a=TEXT), an_object("a", a=TEXT), (Kind.NARROWED, "a", "a value or nothing", "a value")),
        (NUMBER, INTEGER, (Kind.NARROWED, "", "a valid number", "a valid integer")),
        (INTEGER, NUMBER, (Kind.WIDENED, "", "a valid integer", "a number")),
        ({"type": ["null", "string"]}, TEXT, (Kind.NARROWED, "", "null or a valid string", "a valid string")),
        (TEXT, {"type": ["null", "string"]}, (Kind.WIDENED, "", "a valid string", "null")),
        (STATE, {"type": "string", "enum": ["open"]}, (Kind.NARROWED, "", "'open' or 'paid'", "'open'")),
        (STATE, {"type": "string", "enum": ["open", "x", "paid"]}, (Kind.WIDENED, "", "'open' or 'paid'", "'x'")),
        (STATE, TEXT, (Kind.WIDENED, "", "'open' or 'paid'", "other texts")),
        (an_object(), an_object(b=INTEGER), (Kind.ADDITIVE, "b", "nothing", "a valid integer")),
        ({"type": "array", "items": INTEGER}, {"type": "array"}, None),
    ],
)
def test_contracts_are_compared(before, after, expected):
    """What was possible and does not happen any more is narrower; the rest is called as with answers."""
    found = changes(contract(before), contract(after))
    assert found == (() if expected is None else (Difference(*expected),))


def test_statuses_and_content_types_are_compared():
    """A new one breaks; one that is gone is narrower."""
    before, after = contract(None, (200, 201)), contract(None, (200,), (JSON, "text/csv"))
    assert [(each.kind, each.found) for each in changes(before, after)] == [
        (Kind.BREAKING, "text/csv"),
        (Kind.NARROWED, "status 200"),
    ]


def test_what_is_kept_comes_back():
    """Of a version that is only begun, nothing is known."""
    learned = Learned(contract(ORDER), (Difference(Kind.WIDENED, "a", "b", "c"),))
    assert decode_learned(encode_learned(learned)) == learned
    assert decode_learned(b"") == Learned()
