"""Terms are the frequent words that say something, without markup and within their bounds."""

from __future__ import annotations

from collections import Counter

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from holdfast.demo.kinds import Kind
from holdfast.demo.markup import plain_text
from holdfast.demo.terms import TERMS_BYTES_MAX, TERMS_MAX, key_terms, split_words


def test_identifiers_are_words_too() -> None:
    """Underscores and digits separate, case does not count."""
    assert split_words("parse_HTTP2Header(x1)") == ["parse", "http", "header", "x"]


def test_little_words_and_keywords_say_nothing() -> None:
    """Stopwords of the language, of English and of programming are left out, and so are very short and long words."""
    words = split_words("und the self return Katalog Katalog ab " + "q" * 40)
    assert key_terms(Counter(words), "de") == {"katalog": 2}


@given(st.dictionaries(st.text(st.characters(codec="utf-8", categories=["L"]), max_size=30), st.integers(1, 10**6)))
def test_terms_are_bounded_and_the_most_frequent(counts: dict[str, int]) -> None:
    """However many words there are, the list is short, sorted and always the same."""
    terms = key_terms(Counter(counts), "unknown")
    assert len(terms) <= TERMS_MAX
    assert len(msgspec.json.encode(terms)) <= TERMS_BYTES_MAX + 2
    assert list(terms.values()) == sorted(terms.values(), reverse=True)
    assert key_terms(Counter(dict(reversed(counts.items()))), "unknown") == terms


def test_markup_is_not_counted() -> None:
    """Tags, scripts, troff requests and escapes are no words; letters that troff spells out are whole."""
    page = '<html><script>var hidden = 1</script><p class="lead">Shown &amp; read</p><style>p{}'
    assert split_words(plain_text(Kind.HTML, page)) == ["shown", "read"]
    manual = ".SH NAME\n\\fBls\\fR \\- liste d\\('efinie d\\[`a] part\n.PP\n"
    assert split_words(plain_text(Kind.MAN, manual)) == ["name", "ls", "liste", "définie", "dà", "part"]


@given(st.text(), st.sampled_from(Kind))
def test_taking_markup_out_never_fails(text: str, kind: Kind) -> None:
    """Any text of any kind has some plain text."""
    assert isinstance(plain_text(kind, text), str)
