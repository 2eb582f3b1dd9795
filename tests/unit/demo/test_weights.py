"""TF-IDF: what a document has and others have not weighs most."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from holdfast.demo.weights import TermTable


def weighed(documents: list[dict[str, int]]) -> list[tuple[str, ...]]:
    """Return the strongest terms of each document."""
    table = TermTable()
    for each in documents:
        table.add(each)
    return table.weigh(5, 5)[0]


def test_a_rare_term_beats_a_common_one() -> None:
    """What every document has says nothing about any of them."""
    documents = [
        {"common": 9, "storage": 2},
        {"common": 9, "storage": 1},
        {"common": 9, "network": 2},
        {"common": 1, "network": 1},
    ]
    assert [each[0] for each in weighed(documents)] == ["storage", "storage", "network", "network"]


def test_a_term_that_nobody_shares_comes_last() -> None:
    """A checksum is rare too, and yet it is not what a document is about."""
    documents = [{"qzxv": 5, "storage": 1}, {"storage": 1}, {"other": 1}]
    assert weighed(documents)[0] == ("storage", "qzxv")


def test_the_weight_is_the_one_in_the_book() -> None:
    """(1 + ln count) * ln(N / df), scaled to length one and summed over the documents that it leads."""
    table = TermTable()
    for count in (1, 4, 2):
        table.add({"alpha": count, "beta": 1})
    table.add({"gamma": 1})
    _, (first, second) = table.weigh(5, 5)
    assert (first.text, first.documents, second.text) == ("alpha", 3, "beta")
    expected = sum((1 + math.log(each)) / math.hypot(1 + math.log(each), 1) for each in (1, 4, 2))
    assert math.isclose(first.weight, expected)


@given(st.lists(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 99)), max_size=12))
def test_every_document_gets_its_own_terms(documents: list[dict[str, int]]) -> None:
    """Any corpus can be weighed, the empty one too; top terms are terms of that document."""
    tops = weighed(documents)
    assert len(tops) == len(documents)
    assert all(
        set(top) <= set(each) and len(top) == min(5, len(each)) for top, each in zip(tops, documents, strict=True)
    )
