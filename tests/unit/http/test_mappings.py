"""Mappings from the shape of an answer that was found to the one that was expected."""

from __future__ import annotations

import pytest

from holdfast.http import propose_mappings
from holdfast.ports.mappings import Convert, Move, Translate, apply_mapping, decode_mapping, say_step
from holdfast.ports.operations import DriftChange


@pytest.mark.parametrize(
    ("step", "before", "after"),
    [
        (Move("price.cents", "cents"), {"price": {"cents": 5}}, {"price": {"cents": 5}, "cents": 5}),
        (Move("rooms[].price", "rooms[].cents"), {"rooms": [{"price": 5}]}, {"rooms": [{"price": 5, "cents": 5}]}),
        (Move("a", "b.c"), {"a": 1}, {"a": 1, "b": {"c": 1}}),
        (Move("gone", "cents"), {"a": 1}, {"a": 1}),
        (Move("cents.value", "cents"), {"cents": {"value": 5}}, {"cents": 5}),
        (Convert("cents", "number"), {"cents": "9900"}, {"cents": 9900}),
        (Convert("cents", "number"), {"cents": "99.5"}, {"cents": 99.5}),
        (Convert("cents", "number"), {"cents": "many"}, {"cents": "many"}),
        (Convert("id", "text"), {"id": 7}, {"id": "7"}),
        (Convert("id", "text"), {"id": True}, {"id": True}),
        (Convert("[].id", "text"), [{"id": 7}, {}], [{"id": "7"}, {}]),
        (Translate("state", {"OPEN": "open"}), {"state": "OPEN"}, {"state": "open"}),
        (Translate("state", {"OPEN": "open"}), {"state": 5}, {"state": 5}),
    ],
)
def test_a_step_changes_what_stands_at_its_path_and_nothing_else(step, before, after):
    """Where there is nothing, it changes nothing."""
    assert apply_mapping((step,), before) == after
    assert say_step(step)


@pytest.mark.parametrize(
    ("change", "answer", "first"),
    [
        (DriftChange("cents", "a value", "nothing"), {"id": 1, "price": {"cents": 5}}, Move("price.cents", "cents")),
        (DriftChange("room_id", "a value", "nothing"), {"roomId": 5}, Move("roomId", "room_id")),
        (DriftChange("rooms[].cents", "a value", "nothing"), {"rooms": [{"price_cents": 5}]},
         Move("rooms[].price_cents", "rooms[].cents")),
        (DriftChange("cents", "a valid integer", "text"), {"cents": "5"}, Convert("cents", "number")),
        (DriftChange("id", "a valid string", "a number"), {"id": 5}, Convert("id", "text")),
        (DriftChange("id", "a valid string", "an object"), {"id": {"value": "x"}}, Move("id.value", "id")),
        (DriftChange("state", "'open' or 'closed'", "'OPEN'"), {"state": "OPEN"},
         Translate("state", {"OPEN": "open"})),
    ],
)  # fmt: skip
def test_what_became_of_a_field_is_found_in_the_answer(change, answer, first):
    """Renamed, moved deeper, written otherwise."""
    assert propose_mappings([change], answer)[0] == (first,)


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        (DriftChange("cents", "a value", "nothing"), {"id": 1}),
        (DriftChange("state", "'open' or 'closed'", "'SUSPENDED'"), {"state": "SUSPENDED"}),
        (DriftChange("cents", "a valid integer", "null"), {"cents": None}),
        (DriftChange("", "JSON", "text/html"), "<html>"),
    ],
)
def test_nothing_is_made_up_for_what_is_not_there(change, answer):
    """There is no proposal then."""
    assert propose_mappings([change], answer) == []


def test_several_changes_are_undone_together():
    """One mapping for all of them."""
    changes = [DriftChange("cents", "a valid integer", "text"), DriftChange("id", "a value", "nothing")]
    assert propose_mappings(changes, {"cents": "5", "ID": 7})[0] == (Convert("cents", "number"), Move("ID", "id"))


@pytest.mark.parametrize("content", [b"[]", b"{}", b'[{"type": "drop", "path": "x"}]', b"nothing"])
def test_what_is_no_mapping_is_refused(content):
    """An unknown step, none at all, no JSON."""
    with pytest.raises(ValueError, match=r"mapping|Expected|Invalid|JSON"):
        decode_mapping(content)
