"""Contracts as answers teach them."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.authoring import compile_schema
from holdfast.http.learning import NAMES_MAX, SCHEMA_BYTES_MAX, closed, end_learning, learn_answer, widen
from holdfast.ports.contracts import Contract, Seen, differences

JSON = "application/json"


def seen(value: Any) -> Seen:
    """Return an answer."""
    return Seen(200, JSON, is_json=True, value=value)


def learn(*values: Any, matches: tuple[str, ...] = ()) -> Contract:
    """Return what answers teach."""
    contract = Contract()
    for value in values:
        contract = learn_answer(contract, seen(value))
    return end_learning(contract, matches)


ORDERS = [{"id": f"ord-{n}", "cents": n, "state": ["open", "paid"][n % 2], "note": f"note {n}"} for n in range(10)]


def test_what_is_always_there_is_required_and_codes_are_known():
    """Ids, numbers and sentences are no codes: none of them is kept."""
    contract = learn(*ORDERS, {"id": "ord-x", "cents": 5, "state": "open", "more": None})
    assert (contract.answers, contract.statuses, contract.types) == (11, (200,), (JSON,))
    assert contract.body == {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "cents": {"type": "integer"},
            "state": {"type": "string", "enum": ["open", "paid"]},
            "note": {"type": "string"},
            "more": {"type": "null"},
        },
        "required": ["cents", "id", "state"],
    }


@pytest.mark.parametrize(
    ("texts", "is_known"),
    [
        (["open", "paid"] * 3, True),
        (["open", "paid"] * 2, False),
        (["open", "paid", "lost"] * 2, False),
        (["v1", "v1", "v1"], True),
        (["2026", "2026", "2026"], False),
        (["Anna Berg"] * 6, False),
        (["a" * 60] * 6, False),
    ],
)
def test_texts_are_known_where_each_was_met_often_and_looks_like_a_code(texts, is_known):
    """All others are free."""
    body = learn(*({"x": each} for each in texts)).body
    assert ("enum" in body["properties"]["x"]) is is_known


def test_texts_that_code_matches_on_are_known_however_often_they_were_met():
    """Also within lists."""
    body = learn({"rooms": [{"state": "free"}, {"state": "taken"}]}, matches=("rooms[].state",)).body
    assert body["properties"]["rooms"]["items"]["properties"]["state"]["enum"] == ["free", "taken"]


def test_objects_whose_names_are_data_are_open():
    """By ids, or by many names: nothing is said of what is in them."""
    by_id = learn({"prices": {"ch_1a2b3c4d": 5}}, {"prices": {"ch_9f8e7d6c": "x"}})
    by_word = learn({"prices": {"n" * (n + 1): 5 for n in range(NAMES_MAX + 1)}})
    by_name = learn({"prices": {"address_1_line": "x", "sha256_digest": "y"}})
    assert set(by_name.body["properties"]["prices"]["properties"]) == {"address_1_line", "sha256_digest"}
    for contract in (by_id, by_word):
        assert contract.body["properties"]["prices"] == {"type": "object", "additionalProperties": True}
        assert differences(contract, seen({"prices": {"other": None}})) == ()


def test_a_schema_has_a_limit():
    """Of answers that are huge, or deep, status and content type are all that is known."""
    wide = learn({f"section{'x' * (n // 26)}{chr(97 + n % 26)}": {"z" * 900: n} for n in range(100)})
    deep: Any = []
    for _ in range(100):
        deep = [deep]
    assert wide.body is None
    assert learn(deep).body is None
    assert wide.types == learn(deep).types == (JSON,)
    assert SCHEMA_BYTES_MAX < 100 * 900


def test_what_is_no_json_teaches_status_and_content_type():
    """Its body is not looked at."""
    contract = end_learning(learn_answer(Contract(), Seen(204, "")))
    assert contract == Contract(1, (204,), ("",), None)


@pytest.mark.parametrize(
    "value",
    [
        {**ORDERS[0], "more": {"by": 1}},
        {**ORDERS[0], "cents": None},
        {**ORDERS[0], "cents": 5.5},
        {**ORDERS[0], "state": "lost"},
        {},
        [],
    ],
)
def test_a_wider_contract_fits_what_did_not(value):
    """And what did before; what it knew stays known."""
    contract = learn(*ORDERS)
    wider = widen(contract, seen(value))
    assert differences(contract, seen(value))
    assert differences(wider, seen(value)) == ()
    assert differences(wider, seen(ORDERS[1])) == ()
    if isinstance(value, dict) and value:
        assert "enum" in wider.body["properties"]["state"]


@pytest.mark.parametrize(
    ("value", "is_new"),
    [
        (ORDERS[3], False),
        ({**ORDERS[0], "more": 1}, True),
        ({**ORDERS[0], "list": [1]}, True),
        ({**ORDERS[0], "list": []}, False),
        ({**ORDERS[0], "state": "lost"}, True),
        ({**ORDERS[0], "cents": None}, True),
    ],
)
def test_what_fits_the_closed_schema_is_nothing_new(value, is_new):
    """The quick look of the validator and the slow one agree."""
    contract = learn(*ORDERS, {**ORDERS[0], "list": []}, {**ORDERS[0], "list": None})
    assert contract.body is not None
    problems = compile_schema(closed(contract.body), "it")(value)
    assert bool(problems) is is_new
    assert bool(differences(contract, seen(value))) is is_new
