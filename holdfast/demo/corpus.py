"""Find the documents: real files on this machine, and sections of the long ones when files alone are too few.

Owns: what is a document and what is skipped, what is cut, and that no bytes are counted twice.
Must not know: where files lie, or what is done with the documents.

Rule 1: the order is a function of the file system. The same machine gives the same corpus.
Rule 2: every document has other bytes than every other one; a file that was cut is not counted whole as well.
Rule 3: what is missing is said, never made up. A corpus may hold fewer documents than were asked for.

The standard library comes first, whole. The other places then take turns, so that manuals, headers and notes in many
languages are there even when one place alone could fill the corpus.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from holdfast.demo.encoding import has_mark
from holdfast.demo.kinds import kind_of
from holdfast.demo.places import checked_place, in_turns, installed_places, walk_files
from holdfast.demo.reference import HEAD_BYTES, Reference, UnreadableError, digest, escape_path, read_file
from holdfast.demo.sections import Section, cut, merge_tail
from holdfast.demo.wording import counted, size

SECTION_BYTES: Final = (8192, 5792, 4096, 2896, 2048, 1448, 1024, 768, 512, 384, 256)
"""Sizes to cut at, tried from the coarsest that can be enough."""

PROGRESS_FILES: Final = 200
"""Progress is told once in so many files."""

FILES_EXAMINED_MAX: Final = 400_000
"""The search gives up after so many files: a whole disk may stand under PATH."""

_BINARY_NAMES: Final = (  # without the dot
    "pyc pyo so a o dylib dll exe png jpg jpeg gif ico webp bmp tiff pdf zip whl tar tgz bz2 xz zst 7z jar class wasm "
    "ttf otf woff woff2 eot mo gmo db sqlite sqlite3 npy npz parquet mp3 mp4 wav ogg flac avi bin dat pkl pck rlib"
)
_BINARY_EXTENSIONS: Final = frozenset(_BINARY_NAMES.split())


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the search is: `found` of `wanted` documents after looking at `examined` files, now under `place`."""

    found: int
    wanted: int
    examined: int
    place: str


@dataclass(frozen=True, slots=True)
class Corpus:
    """The documents that were found, and how.

    `documents` holds `files` whole files and `sections` sections that `cut_files` longer files were cut into.
    `total_bytes` is their size together. `examined` files were looked at; `skipped` says how many were left out
    and why.
    `places` are the directories or the file that were searched.
    """

    wanted: int
    documents: tuple[Reference, ...]
    files: int
    sections: int
    cut_files: int
    total_bytes: int
    examined: int
    skipped: dict[str, int]
    places: tuple[str, ...]

    @property
    def missing(self) -> int:
        """Return how many documents fewer than wanted there are."""
        return max(0, self.wanted - len(self.documents))

    def describe(self) -> str:
        """Say in a sentence or two what the corpus is made of, and what it lacks."""
        count = len(self.documents)
        if not count:
            reasons = ", ".join(f"{number:,} {reason}" for reason, number in self.skipped.items())
            return f"No documents: looked at {counted(self.examined, 'file')} ({reasons or 'none wanted'})."
        made_of = counted(self.files, "file")
        if self.sections:
            made_of += f" and {counted(self.sections, 'section')} of {counted(self.cut_files, 'long file')}"
        text = f"{counted(count, 'document')}: {made_of}, {size(self.total_bytes)}."
        if self.missing:
            stopped = self.examined >= FILES_EXAMINED_MAX
            why = f"the search stopped after {self.examined:,} files" if stopped else "there is no more text here"
            text += f" {self.wanted:,} were wanted; {why}."
        return text


@dataclass(frozen=True, slots=True)
class _File:
    """A whole file that may be a document, in the order of the search."""

    path: bytes
    id: str
    size: int
    order: int


def collect(
    count: int,
    path: Path | None = None,
    *,
    on_progress: Callable[[Progress], None] | None = None,
) -> Corpus:
    """Return `count` different documents, or as many as there are.

    Without `path`: the standard library, then installed packages, documentation, manuals and headers of this machine.
    With `path`: every text file under it, or that one file. Hidden files are left alone, links are not followed.
    `on_progress` is called every PROGRESS_FILES files and at the end.

    Raises SettingsError when `path` cannot be opened, ValueError when `count` is negative.
    """
    if count < 0:
        raise ValueError(f"the number of documents cannot be negative: {count}")
    search = _Search(count, on_progress)
    if path is None:
        first, *others = installed_places()
        places = [first, *others]
        walks = [walk_files(first, others), in_turns([walk_files(place, places) for place in others])]
    else:
        places = [checked_place(path)]
        walks = [walk_files(places[0], ())]
    for walk in walks:
        search.take_files(walk)
    references, cut_files = search.references()
    files = sum(each.section is None for each in references)
    search.tell(len(references), "", always=True)
    return Corpus(
        wanted=count,
        documents=tuple(references),
        files=files,
        sections=len(references) - files,
        cut_files=cut_files,
        total_bytes=sum(each.end - each.start for each in references),
        examined=search.examined,
        skipped=dict(sorted(search.skipped.items())),
        places=tuple(escape_path(each) for each in places),
    )


class _Search:
    """One search: the files found so far, the digests of everything counted, and what was skipped."""

    def __init__(self, wanted: int, on_progress: Callable[[Progress], None] | None) -> None:
        self.wanted = wanted
        self.examined = 0
        self.skipped: Counter[str] = Counter()
        self._files: list[_File] = []
        self._seen: set[str] = set()
        self._on_progress = on_progress

    def tell(self, found: int, place: str, *, always: bool = False) -> None:
        """Report progress, unless it is too soon after the last time."""
        if self._on_progress is not None and (always or self.examined % PROGRESS_FILES == 0):
            self._on_progress(Progress(found, self.wanted, self.examined, place))

    def take_files(self, walk: Iterator[bytes]) -> None:
        """Count whole files until there are enough or no more."""
        if len(self._files) >= self.wanted:
            return
        for path in walk:
            self.examined += 1
            self._take_file(path)
            self.tell(len(self._files), escape_path(path.rpartition(b"/")[0]))
            if len(self._files) >= self.wanted or self.examined >= FILES_EXAMINED_MAX:
                return

    def _take_file(self, path: bytes) -> None:
        name = path.rpartition(b"/")[2]
        if os.fsdecode(name.rpartition(b".")[2]).lower() in _BINARY_EXTENSIONS:
            self.skipped["binary"] += 1
            return
        try:
            data = read_file(path)
        except UnreadableError as error:
            self.skipped["too large" if "larger" in str(error) else "unreadable"] += 1
            return
        identity = digest(data)
        if not data:
            self.skipped["empty"] += 1
        elif b"\0" in data and not has_mark(data[:4]):
            self.skipped["binary"] += 1
        elif identity in self._seen:
            self.skipped["duplicate"] += 1
        else:
            self._seen.add(identity)
            self._files.append(_File(path, identity, len(data), len(self._files)))

    def references(self) -> tuple[list[Reference], int]:
        """Return the documents, cutting the longest files while there are too few, and how many were cut."""
        chosen = self._cut_files() if len(self._files) < self.wanted else {}
        found: list[Reference] = []
        for file in self._files:
            path = escape_path(file.path)
            parts = chosen.get(file.order)
            if parts is None:
                found.append(Reference(file.id, path, 0, file.size))
            else:
                found.extend(Reference(identity, path, each.start, each.end, each.name) for identity, each in parts)
        return found, len(chosen)

    def _cut_files(self) -> dict[int, list[tuple[str, Section]]]:
        total = sum(each.size for each in self._files)
        chosen: dict[int, list[tuple[str, Section]]] = {}
        for target in SECTION_BYTES:
            if total >= target * self.wanted or target == SECTION_BYTES[-1]:
                chosen, enough = self._cut_at(target)
                if enough:
                    break
        return chosen

    def _cut_at(self, target: int) -> tuple[dict[int, list[tuple[str, Section]]], bool]:
        """Cut the longest files first, at about `target` bytes, until there are enough documents."""
        chosen: dict[int, list[tuple[str, Section]]] = {}
        seen = set(self._seen)
        short = self.wanted - len(self._files)
        for file in sorted(self._files, key=lambda each: (-each.size, each.order)):
            if not short:
                break
            if file.size < 2 * target:
                break  # no file after this one is longer
            parts = self._parts(file, target, short + 1, seen)
            if len(parts) > 1:
                chosen[file.order] = parts
                short -= len(parts) - 1
                self.tell(self.wanted - short, escape_path(file.path))
        return chosen, not short

    @staticmethod
    def _parts(file: _File, target: int, most: int, seen: set[str]) -> list[tuple[str, Section]]:
        """Return at most `most` sections of one file that are new; they are then in `seen`."""
        try:
            data = read_file(file.path)
        except UnreadableError:
            return []  # it vanished meanwhile; as a whole file it will be found unreadable, and reported
        if digest(data) != file.id:
            return []
        sections = merge_tail(cut(data, kind_of(escape_path(file.path), data[:HEAD_BYTES]), target), most)
        view = memoryview(data)
        parts: list[tuple[str, Section]] = []
        own: set[str] = set()
        for each in sections:
            identity = digest(view[each.start : each.end])
            if identity not in seen and identity not in own:
                own.add(identity)
                parts.append((identity, each))
        if len(parts) > 1:
            seen |= own
        return parts
