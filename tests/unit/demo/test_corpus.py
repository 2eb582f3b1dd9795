"""The corpus is what is really there: different bytes, in a fixed order, and never more than was found."""

from __future__ import annotations

import gzip
import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.demo.corpus import FILES_EXAMINED_MAX, Corpus, Progress, collect
from holdfast.demo.reference import FILE_BYTES_MAX, Reference, read_contents
from holdfast.errors import SettingsError


def names(corpus: Corpus) -> list[str]:
    """Return the file names of the documents, in order."""
    return [each.path.rpartition("/")[2] for each in corpus.documents]


def bodies(corpus: Corpus) -> list[bytes]:
    """Return the bytes of the documents, in order."""
    return [read_contents(each).body for each in corpus.documents]


def fill(folder: Path, files: dict[str, bytes]) -> None:
    """Write `files` under `folder`."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def long_python(functions: int) -> bytes:
    """Return a module of so many different functions of some 190 bytes."""
    return b"\n".join(b"def function_%d():\n    return %d  # %s\n" % (n, n, b"why " * 40) for n in range(functions))


def test_files_come_sorted_and_only_once(tmp_path: Path) -> None:
    """Files before directories, each by name; the same bytes under another name are not a document."""
    fill(tmp_path, {"b.txt": b"two", "a.txt": b"one", "deep/c.txt": b"three", "deep/copy.txt": b"one"})
    corpus = collect(10, tmp_path)
    assert names(corpus) == ["a.txt", "b.txt", "c.txt"]
    assert corpus.skipped == {"duplicate": 1}
    assert (corpus.files, corpus.sections, corpus.missing) == (3, 0, 7)


def test_the_same_files_give_the_same_corpus(tmp_path: Path) -> None:
    """The order is a function of the file system, also when files are cut."""
    fill(tmp_path, {f"{n}/module.py": long_python(n + 3) for n in range(8)})
    assert collect(40, tmp_path) == collect(40, tmp_path)


def test_what_is_no_text_is_skipped_and_counted(tmp_path: Path) -> None:
    """Binary, empty, hidden, cached, broken and too large files are no documents, and all but hidden ones are said."""
    fill(
        tmp_path,
        {
            "nul.txt": b"a\0b",
            "picture.png": b"not even read",
            "empty.txt": b"",
            ".secret": b"token",
            ".git/config": b"[core]",
            "__pycache__/a.txt": b"cached",
            "broken.gz": b"no gzip",
            "good.txt": b"text",
        },
    )
    with (tmp_path / "huge.txt").open("wb") as file:
        file.truncate(FILE_BYTES_MAX + 1)
    corpus = collect(10, tmp_path)
    assert names(corpus) == ["good.txt"]
    assert corpus.skipped == {"binary": 2, "empty": 1, "too large": 1, "unreadable": 1}


def test_utf_16_is_text_although_it_holds_nul_bytes(tmp_path: Path) -> None:
    """A byte order mark says that the NUL bytes are letters' halves."""
    fill(tmp_path, {"wide.txt": "hello".encode("utf-16")})
    assert names(collect(1, tmp_path)) == ["wide.txt"]


def test_compressed_pages_count_as_their_text(tmp_path: Path) -> None:
    """A compressed file and its plain twin are the same document."""
    fill(tmp_path, {"a.1": b".TH A 1\n", "a.1.gz": gzip.compress(b".TH A 1\n"), "b.1.gz": gzip.compress(b".TH B 1\n")})
    corpus = collect(5, tmp_path)
    assert names(corpus) == ["a.1", "b.1.gz"]
    assert bodies(corpus)[1] == b".TH B 1\n"


def test_long_files_are_cut_when_files_are_too_few(tmp_path: Path) -> None:
    """A cut file is replaced by its sections: it is not there whole, and the sections are all of it."""
    source = long_python(60)
    fill(tmp_path, {"long.py": source, "short.txt": b"short"})
    corpus = collect(20, tmp_path)
    assert len(corpus.documents) == 20
    assert (corpus.files, corpus.sections, corpus.cut_files) == (1, 19, 1)
    parts = [each for each in corpus.documents if each.section is not None]
    assert b"".join(read_contents(each).body for each in parts) == source
    assert "1 file and 19 sections of 1 long file" in corpus.describe()


def test_as_few_files_as_possible_are_cut(tmp_path: Path) -> None:
    """The longest file is cut first, and the others stay whole when that is enough."""
    fill(tmp_path, {"a.py": long_python(10), "b.py": long_python(80), "c.py": long_python(11)})
    corpus = collect(12, tmp_path)
    assert (len(corpus.documents), corpus.cut_files) == (12, 1)
    assert {each.path for each in corpus.documents if each.section} == {f"{tmp_path}/b.py"}


def test_sections_that_repeat_are_one_document(tmp_path: Path) -> None:
    """The same function twice in a file, in two files, or as a file of its own, is counted once."""
    body = b"".join(b"    step(%d)  # as before\n" % n for n in range(30))
    shared = b"def shared():\n" + body
    own = [b"def own_%d():\n" % n + body for n in range(4)]
    files = {
        "one.py": own[0] + shared + own[1] + shared,
        "two.py": own[2] + shared + own[3],
        "three.py": shared,
    }
    fill(tmp_path, files)
    found = bodies(collect(50, tmp_path))
    assert len(found) == len(set(found))
    assert found.count(shared) == 1
    assert b"".join(own) not in found
    assert all(each in found for each in own)


@settings(max_examples=40, deadline=None)
@given(
    texts=st.lists(st.lists(st.sampled_from([b"def a():", b"    return 1", b"", b"x = 2"]), max_size=400), max_size=5),
    count=st.integers(0, 60),
)
def test_documents_never_share_their_bytes(
    tmp_path_factory: pytest.TempPathFactory, texts: list[list[bytes]], count: int
) -> None:
    """However repetitive the files are, no two documents are the same bytes and no byte is in two documents."""
    folder = tmp_path_factory.mktemp("corpus")
    fill(folder, {f"{number}.py": b"\n".join(lines) for number, lines in enumerate(texts)})
    corpus = collect(count, folder)
    found = bodies(corpus)
    assert len(found) <= count
    assert len(set(found)) == len(found) == len({each.id for each in corpus.documents})
    places = sorted((each.path, each.start, each.end) for each in corpus.documents)
    assert all(one[0] != other[0] or one[2] <= other[1] for one, other in pairwise(places)), "two documents overlap"


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    """Fewer documents than wanted are an honest answer, not an error and not a made-up number."""
    fill(tmp_path, {"line.txt": b"x" * 5_000_000})
    corpus = collect(10_000, tmp_path)
    assert (len(corpus.documents), corpus.missing) == (1, 9_999)
    assert corpus.describe() == "1 document: 1 file, 4.8 MiB. 10,000 were wanted; there is no more text here."


def test_a_search_that_gave_up_says_so(tmp_path: Path) -> None:
    """More text may be there than was looked at; the sentence does not deny it."""
    fill(tmp_path, {"a.txt": b"text"})
    corpus = replace(collect(5, tmp_path), examined=FILES_EXAMINED_MAX)
    assert corpus.describe().endswith("5 were wanted; the search stopped after 400,000 files.")


def test_a_place_without_text_gives_an_empty_corpus_that_says_why(tmp_path: Path) -> None:
    """Nothing found is described by what was looked at."""
    fill(tmp_path, {"a.bin": b"\0", "b.txt": b""})
    corpus = collect(5, tmp_path)
    assert corpus.documents == ()
    assert corpus.describe() == "No documents: looked at 2 files (1 binary, 1 empty)."


def test_none_wanted_means_none_looked_for(tmp_path: Path) -> None:
    """Zero documents are collected without reading a file."""
    fill(tmp_path, {"a.txt": b"text"})
    corpus = collect(0, tmp_path)
    assert (corpus.documents, corpus.examined) == ((), 0)


def test_a_negative_number_is_refused(tmp_path: Path) -> None:
    """A count below zero is a mistake of the caller."""
    with pytest.raises(ValueError, match="negative"):
        collect(-1, tmp_path)


@pytest.mark.parametrize("path", ["missing", "a\0b", "loop/x"])
def test_a_path_that_cannot_be_opened_is_named(tmp_path: Path, path: str) -> None:
    """The error names the path and what to do instead."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(SettingsError, match="no documents can be read from") as caught:
        collect(5, tmp_path / path)
    assert "Name a directory or a text file" in str(caught.value)


def test_a_path_may_be_one_file(tmp_path: Path) -> None:
    """A file named directly is read, and cut when more is wanted."""
    fill(tmp_path, {"long.py": long_python(60), "other.txt": b"other"})
    assert len(collect(1, tmp_path / "long.py").documents) == 1
    assert len(collect(9, tmp_path / "long.py").documents) == 9


def test_links_are_neither_followed_nor_loops(tmp_path: Path) -> None:
    """A directory that links to its parent, and a link to a file, add nothing."""
    fill(tmp_path, {"sub/a.txt": b"text"})
    (tmp_path / "sub" / "up").symlink_to(tmp_path)
    (tmp_path / "sub" / "b.txt").symlink_to(tmp_path / "sub" / "a.txt")
    corpus = collect(10, tmp_path)
    assert (names(corpus), corpus.examined) == (["a.txt"], 1)


def test_a_path_that_is_a_link_is_followed_once(tmp_path: Path) -> None:
    """What a person names is meant, also when it is a link."""
    fill(tmp_path, {"real/a.txt": b"text"})
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert collect(5, tmp_path / "link").documents[0].path == f"{tmp_path}/real/a.txt"


def test_hostile_names_travel_and_can_be_read(tmp_path: Path) -> None:
    """Line feeds, tags, percent signs and bytes that are not UTF-8 come back from JSON as the same file."""
    for number, name in enumerate(
        [b"new\nline", b"<img src=x onerror=alert(1)>", b"100%41", b"bad\xff\xfe", b"\xe2\x80\xae"]
    ):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"document %d" % number)
    corpus = collect(5, tmp_path)
    travelled = msgspec.json.decode(msgspec.json.encode(corpus.documents), type=tuple[Reference, ...])
    assert sorted(read_contents(each).body for each in travelled) == [b"document %d" % n for n in range(5)]


def test_progress_streams_and_ends_at_what_was_found(tmp_path: Path) -> None:
    """The last report says how many documents there are."""
    fill(tmp_path, {f"{n:04}.txt": b"text %d" % n for n in range(450)})
    reports: list[Progress] = []
    collect(450, tmp_path, on_progress=reports.append)
    assert [each.found for each in reports] == [200, 400, 450]
    assert all(each.wanted == 450 for each in reports)


def test_this_machine_has_documents_without_being_told_where() -> None:
    """Without a path the standard library is read first."""
    corpus = collect(60)
    assert len(corpus.documents) == 60
    assert corpus.missing == 0
    assert all(each.path.startswith(corpus.places[0]) for each in corpus.documents)
