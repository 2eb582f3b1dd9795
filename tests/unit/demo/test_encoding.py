"""Every sequence of bytes becomes text, and the result says what that rests on."""

# ruff: noqa: RUF001 - other scripts are meant

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.demo.encoding import decode


@given(st.binary(max_size=300), st.booleans())
def test_decoding_never_fails_and_gives_text_that_can_be_stored(data: bytes, complete: bool) -> None:
    """Whatever the bytes are, the text is valid Unicode."""
    decode(data, data, complete=complete).text.encode("utf-8")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"plain", ("plain", "utf-8", "utf-8")),
        ("grün".encode(), ("grün", "utf-8", "utf-8")),
        ("grün".encode("latin-1"), ("grün", "latin-1", "fallback")),
        ("grün".encode("utf-8-sig"), ("grün", "utf-8-sig", "bom")),
        ("grün".encode("utf-16"), ("grün", "utf-16", "bom")),
        ("grün".encode("utf-32"), ("grün", "utf-32", "bom")),
        ("# -*- coding: koi8-r -*-\nпример".encode("koi8-r"), ("# -*- coding: koi8-r -*-\nпример", "koi8-r", "cookie")),
        (b"#!/bin/x\n# coding=utf8\n", ("#!/bin/x\n# coding=utf8\n", "utf-8", "cookie")),
        (b"# coding: no-such\nx", ("# coding: no-such\nx", "utf-8", "utf-8")),
        (b"# coding: rot13\nx", ("# coding: rot13\nx", "utf-8", "utf-8")),
        (b"# coding: idna\nx", ("# coding: idna\nx", "utf-8", "utf-8")),
        (b"# coding: utf-7\n+2AA-", ("# coding: utf-7\n+2AA-", "utf-8", "utf-8")),
        (
            b"# coding: ascii\n\xff",
            ("# coding: ascii\n\xff".encode("latin-1").decode("latin-1"), "latin-1", "fallback"),
        ),
        (b"", ("", "utf-8", "utf-8")),
    ],
)
def test_the_encoding_is_found_where_it_is_declared(data: bytes, expected: tuple[str, str, str]) -> None:
    """A mark before a cookie before UTF-8 before Latin-1; a cookie that names no file encoding is not believed."""
    decoded = decode(data, data)
    assert (decoded.text, decoded.encoding, decoded.source) == expected


def test_a_character_cut_in_half_is_left_out() -> None:
    """The end of a truncated document does not turn all of it into Latin-1."""
    data = "aé".encode()[:-1]
    assert decode(data, data, complete=False).text == "a"
    assert decode(data, data, complete=True).encoding == "latin-1"


def test_a_section_is_read_as_its_file_says() -> None:
    """The cookie stands in the file's head, not in the section."""
    head = b"# coding: cp1251\n"
    assert decode(head, "текст".encode("cp1251")).text == "текст"
