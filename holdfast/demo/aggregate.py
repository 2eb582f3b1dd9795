"""Everything there is to say about all documents together.

Owns: the totals, the histograms, one row for each document, and which few of them a person would want to see.
Must not know: how documents are processed, or how a report looks.

Rule 1: documents arrive one at a time and leave as a row and a few numbers; contents and results are not kept.
Rule 2: nothing is dropped in silence. Unreadable documents have rows and are counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal

from holdfast.demo.document import DocumentResult
from holdfast.demo.duplicates import find_clusters
from holdfast.demo.kinds import LABELS, Kind
from holdfast.demo.language import CODE, NAMES, UNKNOWN
from holdfast.demo.reference import Reference
from holdfast.demo.weights import Term, TermTable
from holdfast.demo.wording import counted

TERMS_OF_DOCUMENT: Final = 5
TERMS_OF_ALL: Final = 60
PICKS_MAX: Final = 200
"""How many documents are picked out as worth a look."""

SIZE_SMALLEST_BIN: Final = 256
"""The histogram's first bar: up to so many bytes; each further bar doubles it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One document in the report. `cluster` is the number of its near-duplicate cluster, None when it is alone."""

    id: str
    path: str
    section: str | None
    status: Literal["analysed", "unreadable"]
    problem: str
    kind: Kind
    language: str
    encoding: str
    encoding_source: str
    title: str
    terms: tuple[str, ...]
    size_bytes: int
    analysed_bytes: int
    lines: int
    words: int
    headings: int
    cluster: int | None = None

    @property
    def name(self) -> str:
        """Return the file's name and, for a section, its section: for people."""
        return Reference(self.id, self.path, 0, 0, self.section).name


@dataclass(frozen=True, slots=True)
class Share:
    """How many documents, of how many bytes, have one property; `key` for programs, `label` for people."""

    key: str
    label: str
    documents: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Bin:
    """One bar of the size histogram: documents of `at_least` to `at_most` bytes."""

    at_least: int
    at_most: int
    documents: int


@dataclass(frozen=True, slots=True)
class Cluster:
    """Near-duplicates: the ids of the documents, and the lowest estimated similarity to the first of them."""

    number: int
    documents: tuple[str, ...]
    least_similarity: float


@dataclass(frozen=True, slots=True)
class OutlineStatistics:
    """What the outlines say: how many documents have one, headings in all and at most, and the median of those with."""

    documents: int
    headings: int
    most: int
    median: int


@dataclass(frozen=True, slots=True)
class Pick:
    """A document that is worth a look, by its place in `rows`, and why."""

    row: int
    why: str


@dataclass(frozen=True, slots=True)
class Aggregate:
    """The corpus as a whole. `rows` has every document, in the order they came."""

    documents: int
    analysed: int
    unreadable: int
    truncated: int
    sections: int
    size_bytes: int
    lines: int
    words: int
    kinds: tuple[Share, ...]
    languages: tuple[Share, ...]
    encodings: tuple[Share, ...]
    sizes: tuple[Bin, ...]
    outlines: OutlineStatistics
    terms: tuple[Term, ...]
    clusters: tuple[Cluster, ...]
    picks: tuple[Pick, ...]
    rows: tuple[Row, ...]


def aggregate(pairs: Iterable[tuple[Reference, DocumentResult]]) -> Aggregate:
    """Return what `pairs` say together. Ten thousand take a few seconds and some tens of MiB.

    Raises ValueError when a result belongs to another document than its reference.
    """
    table = TermTable()
    fingerprints: list[bytes] = []
    rows: list[Row] = []
    for reference, result in pairs:
        if reference.id != result.id:
            raise ValueError(f"the result of document {result.id} stands beside document {reference.id}")
        table.add(result.terms)
        fingerprints.append(result.signature)
        rows.append(_row(reference, result))
    tops, terms = table.weigh(TERMS_OF_DOCUMENT, TERMS_OF_ALL)
    clusters: list[Cluster] = []
    cluster_of: dict[int, int] = {}
    for number, likeness in enumerate(find_clusters(fingerprints), start=1):
        cluster_of.update(dict.fromkeys(likeness.members, number))
        clusters.append(Cluster(number, tuple(rows[each].id for each in likeness.members), round(likeness.least, 3)))
    full = tuple(
        replace(row, terms=top, cluster=cluster_of.get(place))
        for place, (row, top) in enumerate(zip(rows, tops, strict=True))
    )
    return _total(full, terms, tuple(clusters))


def _row(reference: Reference, result: DocumentResult) -> Row:
    return Row(
        id=reference.id,
        path=reference.path,
        section=reference.section,
        status=result.status,
        problem=result.problem,
        kind=result.kind,
        language=result.language,
        encoding=result.encoding,
        encoding_source=result.encoding_source,
        title=result.title,
        terms=(),
        size_bytes=result.size_bytes,
        analysed_bytes=result.analysed_bytes,
        lines=result.lines,
        words=result.words,
        headings=result.headings,
    )


def _total(rows: tuple[Row, ...], terms: tuple[Term, ...], clusters: tuple[Cluster, ...]) -> Aggregate:
    read = [each for each in rows if each.status == "analysed"]
    headings = sorted(each.headings for each in read if each.headings)
    return Aggregate(
        documents=len(rows),
        analysed=len(read),
        unreadable=len(rows) - len(read),
        truncated=sum(each.analysed_bytes < each.size_bytes for each in read),
        sections=sum(each.section is not None for each in rows),
        size_bytes=sum(each.size_bytes for each in read),
        lines=sum(each.lines for each in read),
        words=sum(each.words for each in read),
        kinds=_shares((each.kind.value, LABELS[each.kind], each.size_bytes) for each in read),
        languages=_shares((each.language, NAMES.get(each.language, each.language), each.size_bytes) for each in read),
        encodings=_shares((*_encoding(each), each.size_bytes) for each in read),
        sizes=_histogram([each.size_bytes for each in read]),
        outlines=OutlineStatistics(
            documents=len(headings),
            headings=sum(headings),
            most=headings[-1] if headings else 0,
            median=headings[len(headings) // 2] if headings else 0,
        ),
        terms=terms,
        clusters=clusters,
        picks=tuple(_pick(rows, clusters)),
        rows=rows,
    )


_SOURCES: Final = {"bom": "byte order mark", "cookie": "coding cookie", "utf-8": "valid", "fallback": "not UTF-8"}


def _encoding(row: Row) -> tuple[str, str]:
    label = f"{row.encoding.upper()}, {_SOURCES[row.encoding_source]}"
    return f"{row.encoding}/{row.encoding_source}", label


def _shares(values: Iterable[tuple[str, str, int]]) -> tuple[Share, ...]:
    documents: Counter[tuple[str, str]] = Counter()
    sizes: Counter[tuple[str, str]] = Counter()
    for key, label, size in values:
        documents[key, label] += 1
        sizes[key, label] += size
    shares = [Share(key, label, number, sizes[key, label]) for (key, label), number in documents.items()]
    return tuple(sorted(shares, key=lambda each: (-each.documents, each.key)))


def _histogram(sizes: list[int]) -> tuple[Bin, ...]:
    bins: Counter[int] = Counter()
    for size in sizes:
        bins[max(0, (max(size, 1) - 1).bit_length() - SIZE_SMALLEST_BIN.bit_length() + 1)] += 1
    if not bins:
        return ()
    return tuple(
        Bin((SIZE_SMALLEST_BIN << (each - 1)) + 1 if each else 0, SIZE_SMALLEST_BIN << each, bins[each])
        for each in range(max(bins) + 1)
    )


def _pick(rows: tuple[Row, ...], clusters: tuple[Cluster, ...]) -> list[Pick]:
    """Return at most PICKS_MAX documents, each once, each for its best reason, in turns between the reasons."""
    picked: dict[int, str] = {}
    going = [iter(each) for each in _reasons(rows, clusters)]
    while going and len(picked) < PICKS_MAX:
        still: list[Iterator[tuple[int, str]]] = []
        for reason in going:
            pick = next((each for each in reason if each[0] not in picked), None)
            if pick is not None and len(picked) < PICKS_MAX:
                picked[pick[0]] = pick[1]
                still.append(reason)
        going = still
    return [Pick(place, why) for place, why in picked.items()]


def _reasons(rows: tuple[Row, ...], clusters: tuple[Cluster, ...]) -> list[list[tuple[int, str]]]:
    """Return the documents each reason would pick, the best first."""
    place_of = {each.id: place for place, each in enumerate(rows)}
    read = [(place, each) for place, each in enumerate(rows) if each.status == "analysed"]
    by_size = sorted(read, key=lambda each: -each[1].size_bytes)
    by_headings = sorted(read, key=lambda each: -each[1].headings)
    languages = Counter(each.language for _, each in read if each.language not in (CODE, UNKNOWN))
    rare = sorted(
        ((place, each) for place, each in by_size if each.language in languages),
        key=lambda each: languages[each[1].language],
    )
    kinds = Counter(each.kind for _, each in read)
    unusual = sorted(by_size, key=lambda each: kinds[each[1].kind])
    return [
        [(place, f"unreadable: {each.problem}") for place, each in enumerate(rows) if each.status == "unreadable"],
        [(place_of[each.documents[0]], f"one of {len(each.documents)} near-copies") for each in clusters[:60]],
        [(place, f"long: {counted(each.lines, 'line')}") for place, each in by_size[:40]],
        [(place, counted(each.headings, "heading")) for place, each in by_headings[:40] if each.headings],
        [(place, f"in {NAMES.get(each.language, each.language)}") for place, each in rare],
        [(place, _encoding(each)[1]) for place, each in read if each.encoding != "utf-8"],
        [(place, f"a rare type: {LABELS[each.kind]}") for place, each in unusual],
    ]
