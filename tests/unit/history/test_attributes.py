"""Search attributes: one text for each value, and nothing that could not be searched."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import InputError
from holdfast.history import (
    attribute_key,
    check_memo,
    decode_attributes,
    encode_attributes,
    read_attribute,
)
from holdfast.history.attributes import (
    ATTRIBUTE_CHARACTERS_MAX,
    ATTRIBUTE_NAME_CHARACTERS_MAX,
    ATTRIBUTES_MAX,
    MEMO_CHARACTERS_MAX,
)

VALUES = (
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=50)
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
)


@given(VALUES)
def test_values_come_back(value: Any) -> None:
    """What is recorded is read as the value it was, of its type, and is found by what a person sees of it."""
    encoded = encode_attributes({"a": value})
    decoded = decode_attributes(encoded)["a"]
    assert (type(decoded), decoded) == (type(value), value)
    assert encode_attributes({"a": decoded}) == encoded
    shown = value if isinstance(value, str) else encoded["a"]
    assert attribute_key(shown) == attribute_key(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("eu", "eu"),
        ("12", 12),
        ("-12.5", -12.5),
        ("1e3", 1000.0),
        ("true", True),
        ("True", "True"),
        ("007", "007"),
        ("1_000", "1_000"),
        ('"12"', "12"),
        ('"12', '"12'),
        ("2026-11-29", "2026-11-29"),
        ("2026-11-29T08:00", "2026-11-29T08:00"),
        ("2026-11-29T08:00Z", datetime(2026, 11, 29, 8, tzinfo=UTC)),
        ("", ""),
    ],
)
def test_a_person_writes_literals_or_plain_text(text: str, value: Any) -> None:
    """What looks like a number, a boolean or a time is one; everything else is text as it stands."""
    assert (type(read_attribute(text)), read_attribute(text)) == (type(value), value)


def test_equal_looks_are_one_key() -> None:
    """A number is found by any way to write it, and times by the moment they mean."""
    assert {attribute_key(each) for each in (12, 12.0, "12", "12.0", "1.2e1")} == {"12"}
    here = datetime(2026, 11, 29, 9, tzinfo=timezone(timedelta(hours=1)))
    assert attribute_key(here) == attribute_key("2026-11-29T08:00Z")


@pytest.mark.parametrize(
    ("attributes", "problem"),
    [
        ({"a b": 1}, "letters, digits and underscores"),
        ({"status": "x"}, "another name"),
        ({"a" * (ATTRIBUTE_NAME_CHARACTERS_MAX + 1): 1}, "ATTRIBUTE_NAME_CHARACTERS_MAX"),
        ({"a": "x" * ATTRIBUTE_CHARACTERS_MAX}, "ATTRIBUTE_CHARACTERS_MAX"),
        ({"a": float("nan")}, "finite"),
        ({"a": 2**63}, "63 bits"),
        ({"a": datetime(2026, 1, 1)}, "time zone"),  # noqa: DTZ001
        ({"a": b"eu"}, "not bytes"),
        ({f"a{number}": 1 for number in range(ATTRIBUTES_MAX + 1)}, "ATTRIBUTES_MAX"),
    ],
)
def test_what_cannot_be_searched_is_refused(attributes: Any, problem: str) -> None:
    """A refusal says which one, what was expected, and the limit by its name."""
    with pytest.raises(InputError, match=problem):
        encode_attributes(attributes)


def test_none_leaves_one_out() -> None:
    """An attribute that is None is none."""
    assert encode_attributes({"a": None, "b": 1}) == {"b": "1"}


def test_a_memo_is_text_within_a_limit() -> None:
    """Memos hold text by name, and no more of it than the limit says."""
    assert check_memo({"note": "n"}) == {"note": "n"}
    with pytest.raises(InputError, match="expected text"):
        check_memo({"note": 1})  # type: ignore[dict-item]  # as nobody checks it
    with pytest.raises(InputError, match="MEMO_CHARACTERS_MAX"):
        check_memo({"note": "n" * MEMO_CHARACTERS_MAX})
