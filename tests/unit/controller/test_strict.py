"""JSON from strangers: what has one meaning is taken, everything else is refused in words."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.controller import strict
from holdfast.controller.strict import JSON_CONTAINERS_MAX, JSON_DEPTH_MAX, PROBLEMS_MAX, read_json
from holdfast.errors import InputError


def refusal(text: bytes) -> list[tuple[str, str]]:
    """Return the problems for which text is refused."""
    with pytest.raises(InputError) as refused:
        read_json(text, "the text")
    return list(refused.value.problems)


HOSTILE = {
    "nan": (b"NaN", "malformed"),
    "infinity": (b"Infinity", "malformed"),
    "minus-infinity": (b"[-Infinity]", "malformed"),
    "beyond-floats": (b"1e999", "out of range"),
    "minus-beyond-floats": (b"[-1e999]", "out of range"),
    "endless-integer": (b"1" * 5000, "out of range"),
    "lone-surrogate": (rb'"\ud800"', "lone surrogate"),
    "lone-low-surrogate": (rb'{"a":["x\udc00y"]}', "lone surrogate"),
    "surrogate-in-bytes": (b'"\xed\xa0\x80"', "not UTF-8 (byte 1)"),
    "latin-1": (b'"caf\xe9"', "not UTF-8 (byte 4)"),
    "utf-16": ('{"a":1}'.encode("utf-16"), "not UTF-8 (byte 0)"),
    "byte-order-mark": (b'\xef\xbb\xbf{"a":1}', "byte order mark"),
    "nothing": (b"", "empty"),
    "white": (b" \n", "empty"),
    "two-values": (b"1 2", "trailing"),
    "trailing-comma": (b"[1,]", "malformed"),
    "comment": (b"/* x */ 1", "malformed"),
    "single-quotes": (b"'a'", "malformed"),
    "python": (b"True", "malformed"),
    "leading-zero": (b"01", "malformed"),
    "raw-nul": (b'"\x00"', "malformed"),
    "raw-newline": (b'"a\nb"', "malformed"),
    "unterminated": (b'{"a":"b', "truncated"),
    "unterminated-escape": (b'"\\', "truncated"),
    "mismatched": (b"[}", "malformed"),
    "too-deep": (b"[" * 101 + b"]" * 101, "JSON_DEPTH_MAX"),
    "too-deep-in-objects": (b'{"a":' * 101 + b"1" + b"}" * 101, "JSON_DEPTH_MAX"),
    "much-too-deep": (b"[" * 200_000, "JSON_DEPTH_MAX"),
    "too-many": (b"[" + b"[]," * JSON_CONTAINERS_MAX + b"[]]", "JSON_CONTAINERS_MAX"),
}


@pytest.mark.parametrize(("text", "words"), HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_refused_in_words(text, words):
    """Whatever is not JSON, or is JSON that parsers disagree about, is refused as a whole and says why."""
    ((place, problem),) = refusal(text)
    assert place == ""
    assert words in problem


@pytest.mark.parametrize(
    ("text", "places"),
    [
        (rb'"\u0000"', [""]),
        (rb'{"a/b":{"c~":["x","\u0000y"]}}', ["/a~1b/c~0/1"]),
        (rb'{"\u0000":1}', [""]),
        (rb'["\\u0000", "\u0000"]', ["/1"]),
    ],
)
def test_nul_is_found_where_it_is(text, places):
    """A NUL character is refused with a pointer; a backslash followed by u0000 is none."""
    found = refusal(text)
    assert [place for place, _ in found] == places
    assert all("NUL" in problem for _, problem in found)


@pytest.mark.parametrize(
    ("text", "places"),
    [
        (b'{"a":1,"a":1}', ["/a"]),
        (rb'{"a":1,"\u0061":2}', ["/a"]),
        (b'[{"x":{"k":1,"k":2}},{"y":{"k":1,"k":{"z":1,"z":2}}}]', ["/0/x/k", "/1/y/k", "/1/y/k/z"]),
    ],
)
def test_repeated_key_is_found_where_it_is(text, places):
    """A key given twice is refused with a pointer, however it is spelled."""
    found = refusal(text)
    assert [place for place, _ in found] == places
    assert all(problem == "is given more than once" for _, problem in found)


def test_problems_are_limited():
    """A thousand repeated keys make one refusal of PROBLEMS_MAX lines."""
    assert len(refusal(b"{" + b'"a":1,' * 1000 + b'"a":1}')) == PROBLEMS_MAX


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b" null ", None),
        (b"[" * JSON_DEPTH_MAX + b"]" * JSON_DEPTH_MAX, ...),
        (b'"[[[[{{{{::::"', "[[[[{{{{::::"),
        (rb'{"a\":{":1}', {'a":{': 1}),
        (rb'"\\"', "\\"),
        (rb'"\ud83d\ude00"', "\U0001f600"),
        (b"123456789012345678901234567890", 123456789012345678901234567890),
        (b"1e-999", 0.0),
        (rb'"\\u0000"', "\\u0000"),
    ],
)
def test_honest_text_is_taken(text, value):
    """What only looks hostile is taken: brackets in strings, escaped backslashes, pairs of surrogates."""
    found = read_json(text, "the text")
    assert value is ... or found == value


def test_long_text_takes_no_time():
    """Text that would send a backtracking pattern round for hours is refused in passing."""
    assert refusal(b'"' + b'\\"' * 2_000_000)
    assert refusal(b'"a' * 2_000_001)
    assert read_json(b'"' + b'\\"' * 2_000_000 + b'"', "the text")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@given(JSON, st.booleans())
def test_any_json_is_read_as_the_standard_library_reads_it(value, escaped):
    """What is taken is read as written; only NUL characters are refused."""
    text = json.dumps(value, ensure_ascii=escaped)
    if "\\u0000" in text and "\0" in repr_of(value):
        assert all("NUL" in problem for _, problem in refusal(text.encode()))
    else:
        assert read_json(text.encode(), "the text") == value


def repr_of(value):
    """Return all text in a value, joined."""
    match value:
        case str():
            return value
        case list():
            return "".join(map(repr_of, value))
        case dict():
            return "".join(key + repr_of(each) for key, each in value.items())
    return ""


@given(st.binary(max_size=200) | st.text('[]{}",:\\u0d8e19.+- nulltrue\n', max_size=60).map(str.encode))
def test_any_bytes_are_taken_or_refused(data):
    """Nothing but InputError ever comes out, and what is taken the standard library takes too."""
    try:
        value = read_json(data, "the text")
    except InputError:
        return
    assert json.loads(data) == value


def test_a_parser_that_keeps_the_last_key_is_caught(monkeypatch):
    """The check on repeated keys does not come from the parser: it finds them although the parser says nothing."""
    assert strict._decode(b'{"a":1,"a":2}') == {"a": 2}
    assert refusal(b'{"a":1,"a":2}')
