"""What may be an identifier."""

from __future__ import annotations

import pytest

from holdfast.errors import InputError
from holdfast.history import IDENTIFIER_BYTES_MAX, check_identifier, check_text, encode_attributes


@pytest.mark.parametrize("text", ["a", "ord-1", "Übung 7", "日本", "x" * IDENTIFIER_BYTES_MAX, "é" * 500])
def test_an_identifier_is_kept_as_it_is(text: str) -> None:
    """Any text that fits an index."""
    assert check_identifier(text, "the run id") == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        ("x" * 1_001, "is 1,001 bytes long in UTF-8, and an index holds 1,000"),
        ("é" * 501, "is 1,002 bytes long in UTF-8"),
        ("a\0b", "U+0000 at place 1"),
        ("a\ud800", "half of a surrogate pair at place 1"),
    ],
)
def test_what_is_none_is_refused_with_the_reason(text: str, why: str) -> None:
    """And with what it is about."""
    with pytest.raises(InputError) as refusal:
        check_identifier(text, "the run id")
    assert why in refusal.value.message()
    assert refusal.value.message().startswith("the run id")


def test_a_text_may_be_empty_and_long() -> None:
    """It is in no index; only what a store would change is refused."""
    assert check_text("", "a reason") == ""
    assert check_text("x" * 100_000, "a reason")
    with pytest.raises(InputError, match="U\\+0000"):
        check_text("\0", "a reason")
    with pytest.raises(InputError, match="U\\+0000"):
        encode_attributes({"region": "e\0u"})
