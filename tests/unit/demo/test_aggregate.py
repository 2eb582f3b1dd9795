"""The aggregate adds up: nothing dropped, nothing counted twice, and the picks are worth a look."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.demo.aggregate import PICKS_MAX, aggregate
from holdfast.demo.corpus import collect
from holdfast.demo.document import DocumentResult, analyse
from holdfast.demo.kinds import Kind
from holdfast.demo.reference import Reference


def pair(number: int, **facts: object) -> tuple[Reference, DocumentResult]:
    """Return a document and its result, ordinary but for `facts`."""
    identity = f"{number:016x}"
    values = {
        "status": "analysed",
        "kind": Kind.TEXT,
        "language": "en",
        "encoding": "utf-8",
        "size_bytes": 100,
        "lines": 3,
    }
    result = DocumentResult(id=identity, **(values | facts))
    return Reference(identity, f"/docs/{number}.txt", 0, result.size_bytes), result


def test_nothing_gives_an_aggregate_of_nothing() -> None:
    """An empty corpus is not an error."""
    total = aggregate([])
    assert (total.documents, total.rows, total.kinds, total.sizes, total.picks, total.terms) == (0, (), (), (), (), ())


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "status": st.sampled_from(["analysed", "analysed", "unreadable"]),
                "kind": st.sampled_from(Kind),
                "language": st.sampled_from(["en", "de", "code", "unknown", "xx"]),
                "size_bytes": st.integers(0, 10**7),
                "headings": st.integers(0, 50),
                "terms": st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(1, 9)),
            },
        ),
        max_size=30,
    ),
)
def test_every_document_is_counted_exactly_once(facts: list[dict[str, object]]) -> None:
    """Types, languages, encodings and sizes each add up to what was read; rows have every document in order."""
    pairs = [pair(number, **each) for number, each in enumerate(facts)]
    total = aggregate(iter(pairs))
    read = [result for _, result in pairs if result.status == "analysed"]
    assert [each.id for each in total.rows] == [reference.id for reference, _ in pairs]
    assert total.analysed + total.unreadable == total.documents == len(pairs)
    for shares in (total.kinds, total.languages, total.encodings):
        assert sum(each.documents for each in shares) == len(read)
        assert sum(each.size_bytes for each in shares) == total.size_bytes == sum(each.size_bytes for each in read)
    for bar in total.sizes:
        assert bar.documents == sum(bar.at_least <= each.size_bytes <= bar.at_most for each in read)
    assert sum(each.documents for each in total.sizes) == len(read)
    assert total.outlines.headings == sum(each.headings for each in read)


def test_a_size_on_the_border_of_two_bars_is_in_the_lower_one() -> None:
    """A bar holds what is up to its size."""
    total = aggregate(pair(number, size_bytes=size) for number, size in enumerate([0, 1, 256, 257, 512, 513]))
    assert [(each.at_least, each.at_most, each.documents) for each in total.sizes] == [
        (0, 256, 3),
        (257, 512, 2),
        (513, 1024, 1),
    ]


def test_a_result_beside_the_wrong_reference_is_refused() -> None:
    """Mixed-up results are an error, not a wrong report."""
    with pytest.raises(ValueError, match="stands beside"):
        aggregate([(pair(1)[0], pair(2)[1])])


def test_everything_is_picked_when_there_is_room() -> None:
    """A small corpus is shown whole, each document once, the unreadable first."""
    pairs = [pair(number) for number in range(20)]
    pairs[7] = pair(7, status="unreadable", problem="No such file or directory")
    picks = aggregate(pairs).picks
    assert sorted(each.row for each in picks) == list(range(20))
    assert (picks[0].row, picks[0].why) == (7, "unreadable: No such file or directory")


def test_picks_are_bounded_and_varied() -> None:
    """Among many like documents the odd ones are picked, with the reason."""
    pairs = [pair(number, size_bytes=100 + number) for number in range(600)]
    pairs[3] = pair(3, kind=Kind.YAML)
    pairs[4] = pair(4, language="fi")
    pairs[5] = pair(5, encoding="koi8-r", encoding_source="cookie")
    pairs[6] = pair(6, headings=400)
    picks = {each.row: each.why for each in aggregate(pairs).picks}
    assert len(picks) == PICKS_MAX
    assert picks[3] == "a rare type: YAML"
    assert picks[4] == "in Finnish"
    assert picks[5] == "KOI8-R, coding cookie"
    assert picks[6] == "400 headings"


def test_a_document_is_picked_for_its_first_reason() -> None:
    """The longest document that is also the only one of its type is picked once, as the longest."""
    pairs = [pair(number) for number in range(5)]
    pairs[2] = pair(2, size_bytes=9_999, lines=700, kind=Kind.SQL, headings=3)
    assert {each.row: each.why for each in aggregate(pairs).picks}[2] == "long: 700 lines"


def test_real_documents_end_up_with_terms_and_clusters(tmp_path: Path) -> None:
    """From files to totals: near-copies are clustered and each document has its own terms."""
    paragraphs = {
        "storage": "The disk keeps blocks and the storage engine writes pages of blocks to the disk before commit. "
        * 3,
        "network": "A packet crosses the network when a router forwards the packet to the next hop on its way. " * 3,
        "kitchen": "Slice onions and fry the onions in butter until they are golden and then add stock slowly. " * 3,
    }
    for name, text in paragraphs.items():
        letters = "abcdefghijk"
        unique = " ".join(f"{name}{one}{other} of the" for one in letters for other in letters)
        (tmp_path / f"{name}.txt").write_text(text + unique)
        (tmp_path / f"{name}-copy.txt").write_text(text + unique + " with one more line")
    corpus = collect(6, tmp_path)
    total = aggregate((each, analyse(each)) for each in corpus.documents)
    assert [len(each.documents) for each in total.clusters] == [2, 2, 2]
    rows = {Path(each.path).stem: each for each in total.rows}
    assert rows["storage"].cluster == rows["storage-copy"].cluster != rows["kitchen"].cluster
    assert "onions" in rows["kitchen"].terms
    assert "packet" in rows["network"].terms
    assert {each.key: each.documents for each in total.languages} == {"en": 6}
