"""The report says what happened, to people and to programs, and no file name can make it say anything else."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.demo.aggregate import Aggregate, aggregate
from holdfast.demo.corpus import collect
from holdfast.demo.document import DocumentResult, analyse
from holdfast.demo.outline import Heading
from holdfast.demo.proof import Kill, Proof, Sample
from holdfast.demo.reference import Reference
from holdfast.demo.report import FORMAT, render_html, render_json, write_report

PROOF = Proof(
    documents_in=3,
    results_out=3,
    effects_twice=0,
    runs_lost=0,
    seconds=2.0,
    documents_per_second=1.5,
    sequential_seconds_estimate=4.0,
    speedup=2.0,
    workers=2,
    database="/tmp/demo.db",
    files=2,
    sections=1,
    killed=(Kill(4711, "w-2", 1, 0.5, "w-1", 0.4),),
    samples=(Sample(0, 0), Sample(1, 2), Sample(2, 3)),
    run_id="demo-1",
)

TAG_NAMES = (
    "html head meta title style body main header span h1 p code div b small section h2 ol li time table tbody thead tr "
    "th td i dl dt dd ul details summary em footer svg line text polygon polyline circle rect tspan"
)
TAGS = frozenset(TAG_NAMES.split())
VOID = frozenset({"meta"})
ATTRIBUTE_NAMES = (
    "lang charset name content http-equiv class aria-labelledby aria-label role id scope style title viewbox x y x1 x2 "
    "y1 y2 cx cy r rx width height points text-anchor transform"
)
ATTRIBUTES = frozenset(ATTRIBUTE_NAMES.split())
HOSTILE = ["<img src=x onerror=alert(1)>", "</style><script>", "$headline", "'\"`&lt;"]


class Page(HTMLParser):
    """Reads a page as a browser would, and fails on anything the report does not write itself."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == [], f"left open: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Check a tag and its attributes."""
        assert tag in TAGS, f"a foreign tag: {tag}"
        for name, value in attrs:
            assert name in ATTRIBUTES, f"a foreign attribute: {name}"
            assert name != "style" or re.fullmatch(r"(width:[\d.]+%|--w:[\d.]+)", value or "")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Check a tag that closes itself."""
        self.handle_starttag(tag, attrs)
        self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        """Check that the innermost open tag is closed."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep what a reader sees."""
        if "style" not in self._open:
            self.words.append(data)

    def handle_comment(self, data: str) -> None:
        """Refuse: the report writes none."""
        raise AssertionError(f"a comment: {data}")

    @property
    def text(self) -> str:
        """Return what a reader sees, on one line."""
        return " ".join("".join(self.words).split())


def pair(number: int, name: str, title: str = "", section: str | None = None) -> tuple[Reference, DocumentResult]:
    """Return a document of that name and its result."""
    identity = f"{number:016x}"
    result = DocumentResult(
        id=identity,
        status="analysed",
        language="en",
        encoding="utf-8",
        title=title,
        outline=(Heading(0, title),),
        terms={"alpha": 2},
        size_bytes=10,
        analysed_bytes=10,
        lines=1,
        words=2,
    )
    return Reference(identity, f"/docs/{name}", 0, 10, section), result


@pytest.fixture
def corpus() -> Aggregate:
    """Three documents, one of them a section."""
    return aggregate([pair(1, "a.txt", "One"), pair(2, "b.txt"), pair(3, "b.txt", section="part two")])


def test_the_page_tells_the_whole_story(corpus: Aggregate) -> None:
    """The verdict, the kill, the take-over and the documents are there to read."""
    text = Page(render_html(corpus, PROOF)).text
    assert "3 documents in, 3 results out." in text
    assert "Nothing lost, nothing done twice, though 1 worker died by kill -9." in text
    assert "kill -9 4711: worker w-2 died holding 1 document. w-1 took its work over 0.40 s later." in text
    assert "The documents are 2 whole files and 1 section of long files, 30 B in all" in text
    assert "part two" in text
    assert "run demo-1 · database /tmp/demo.db" in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"results_out": 1}, "2 documents have no result"),
        ({"effects_twice": 1}, "1 effect happened twice"),
        ({"runs_lost": 2}, "2 runs were lost"),
        ({"results_out": 4}, "there are more results than documents"),
    ],
)
def test_a_broken_promise_is_never_shown_as_kept(corpus: Aggregate, change: dict[str, int], said: str) -> None:
    """Whatever went wrong is the first thing on the page, and the JSON says so too."""
    broken = replace(PROOF, **change)
    page = render_html(corpus, broken)
    assert '<main class="broken">' in page
    assert said in Page(page).text
    assert "Nothing lost" not in Page(page).text
    assert msgspec.json.decode(render_json(corpus, broken))["holds"] is False


def test_a_run_without_a_kill_does_not_boast(corpus: Aggregate) -> None:
    """No worker died, so nothing is said about surviving one."""
    text = Page(render_html(corpus, replace(PROOF, killed=()))).text
    assert "No worker was killed in this run." in text
    assert "died" not in text


def test_work_that_nobody_took_over_is_said(corpus: Aggregate) -> None:
    """A kill without a take-over is shown as one."""
    proof = replace(PROOF, killed=(Kill(1, "w-9", 3, 0.2),))
    assert "Nobody took its work over." in Page(render_html(corpus, proof)).text


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=60) | st.sampled_from(HOSTILE), min_size=6, max_size=6))
def test_no_text_from_outside_becomes_markup(words: list[str]) -> None:
    """Names, titles, sections, workers and databases may say anything: the page keeps its own tags and attributes."""
    name, title, section, member, database, problem = words
    unreadable = replace(pair(2, name)[1], status="unreadable", problem=problem)
    rows = [pair(1, name, title, section), (pair(2, name)[0], unreadable)]
    proof = replace(PROOF, database=database, killed=(Kill(1, member, 2, 0.5, member, 0.1),), corpus=title)
    Page(render_html(aggregate(rows), proof))


def test_the_checker_itself_sees_a_foreign_tag(corpus: Aggregate) -> None:
    """The parser above fails on a page in which something was not escaped."""
    page = render_html(corpus, PROOF)
    for planted in ("<img src=x>", "<b onclick=x>", "<b>", "<!-- -->", '<p style="background:url(x)">'):
        with pytest.raises(AssertionError):
            Page(page.replace("part two", planted))


def test_hostile_files_are_shown_as_they_are_called(tmp_path: Path) -> None:
    """From the disk to the page: tags, line feeds, direction marks and broken bytes in names are visible text."""
    for number, name in enumerate([b"<img src=x onerror=alert(1)>", b"new\nline", b"gpj\xe2\x80\xaetxt", b"bad\xff"]):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"# <script>alert(%d)</script>\n" % number)
    documents = collect(4, tmp_path).documents
    page = Page(render_html(aggregate((each, analyse(each)) for each in documents), PROOF))
    for shown in ("<img src=x onerror=alert(1)>", "new\\nline", "gpj\\u202etxt", "bad%FF", "<script>alert(0)</script>"):
        assert shown in page.text


def test_the_page_asks_for_nothing_outside_itself(corpus: Aggregate) -> None:
    """No address, no import, no script; and the browser is told to refuse them."""
    page = render_html(corpus, PROOF)
    assert not re.search(r"https?://|url\(|@import|<script|<link|<img|src=|href=", page)
    assert "default-src 'none'" in page


def test_both_files_are_written_whole(tmp_path: Path, corpus: Aggregate) -> None:
    """The directory is made, a second report replaces the first, and nothing else is left there."""
    for _ in range(2):
        files = write_report(corpus, PROOF, tmp_path / "new" / "report")
    assert sorted(each.name for each in files.html.parent.iterdir()) == ["report.html", "report.json"]
    assert files.html.read_text(encoding="utf-8") == render_html(corpus, PROOF)
    assert files.json.read_bytes() == render_json(corpus, PROOF)


def test_a_program_finds_every_fact(corpus: Aggregate) -> None:
    """The JSON has the proof as given, the totals and every document."""
    facts = msgspec.json.decode(render_json(corpus, PROOF))
    assert facts["format"] == FORMAT
    assert facts["holds"] is True
    assert msgspec.convert(facts["proof"], Proof) == PROOF
    assert facts["corpus"]["documents"] == 3
    assert [each["section"] for each in facts["documents"]] == [None, None, "part two"]
    assert {each["id"] for each in facts["corpus"]["picks"]} == {each["id"] for each in facts["documents"]}


def test_the_proof_may_be_a_mapping(tmp_path: Path, corpus: Aggregate) -> None:
    """A mapping with the fields of a proof gives the same report; a missing field is named."""
    given_as_mapping = msgspec.to_builtins(PROOF)
    files = write_report(corpus, given_as_mapping, tmp_path)
    assert files.html.read_text(encoding="utf-8") == render_html(corpus, PROOF)
    del given_as_mapping["runs_lost"]
    with pytest.raises(msgspec.ValidationError, match="runs_lost"):
        write_report(corpus, given_as_mapping, tmp_path)


def test_an_empty_corpus_has_a_report_too(tmp_path: Path) -> None:
    """Nothing in, nothing out is a page like any other."""
    nothing = replace(PROOF, documents_in=0, results_out=0, files=0, sections=0, killed=(), samples=())
    text = Page(write_report(aggregate([]), nothing, tmp_path).html.read_text(encoding="utf-8")).text
    assert "0 documents in, 0 results out." in text
    assert "The run was too short to draw." in text
