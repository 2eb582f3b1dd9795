"""The task of the demo: everything there is to say about one document.

Owns: the order of the analysis, its limits, and the result that travels back.
Must not know: other documents, workflows, stores.

`analyse` is a pure function of the file's bytes: run twice, it answers the same. What the environment does to the file
(it vanished, it changed, it may not be read) is an answer too, not an exception: a retry would not bring it back.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections import Counter
from dataclasses import dataclass, field
from typing import Final, Literal

from holdfast.demo.encoding import EncodingSource, decode
from holdfast.demo.kinds import Family, Kind, family, kind_of
from holdfast.demo.language import CODE, language_of
from holdfast.demo.markup import plain_text
from holdfast.demo.outline import Heading, outline_of
from holdfast.demo.reference import Contents, Reference, UnreadableError, read_contents
from holdfast.demo.signature import fingerprint
from holdfast.demo.terms import key_terms, split_words

ANALYSED_BYTES_MAX: Final = 96 * 1024
"""Of a longer document this many bytes from its beginning are analysed; its lines and bytes are counted whole."""


@dataclass(frozen=True, slots=True)
class DocumentResult:
    """What was found out about one document; about a kilobyte of JSON, two at most.

    When `status` is "unreadable", `problem` says why and nothing else is known.
    `encoding_source` says what `encoding` rests on: a byte order mark, a PEP 263 cookie, valid UTF-8, or a fallback.
    `language` is an ISO 639-1 code, "code" for source code and data, or "unknown".
    `outline` holds the first of `headings` headings. `terms` are the most frequent telling words with their counts.
    `size_bytes` and `lines` count the whole document, `words` what was analysed: `analysed_bytes` of it.
    `fingerprint` is a base64 MinHash, "" for a document too short to be compared.
    """

    id: str
    status: Literal["analysed", "unreadable"]
    problem: str = ""
    kind: Kind = Kind.TEXT
    encoding: str = ""
    encoding_source: EncodingSource = "utf-8"
    language: str = ""
    title: str = ""
    outline: tuple[Heading, ...] = ()
    headings: int = 0
    terms: dict[str, int] = field(default_factory=dict)
    size_bytes: int = 0
    analysed_bytes: int = 0
    lines: int = 0
    words: int = 0
    fingerprint: str = ""

    @property
    def truncated(self) -> bool:
        """Say whether only the beginning of the document was analysed."""
        return self.analysed_bytes < self.size_bytes

    @property
    def signature(self) -> bytes:
        """Return the fingerprint as bytes."""
        return b64decode(self.fingerprint)


def analyse(reference: Reference) -> DocumentResult:
    """Read one document again and say what it is, what it is called, how it is built and what it is about."""
    try:
        contents = read_contents(reference)
    except UnreadableError as error:
        kind = kind_of(reference.path, b"")
        return DocumentResult(id=reference.id, status="unreadable", problem=str(error), kind=kind)
    return analyse_contents(reference, contents)


def analyse_contents(reference: Reference, contents: Contents) -> DocumentResult:
    """Analyse bytes that were already read; `reference` says under which name."""
    body = contents.body
    analysed = body[:ANALYSED_BYTES_MAX]
    kind = kind_of(reference.path, contents.head)
    decoded = decode(contents.head, analysed, complete=len(analysed) == len(body))
    text = decoded.text.replace("\0", " ")  # some databases refuse NUL in text, and no word contains it
    outline = outline_of(kind, text)
    words = split_words(plain_text(kind, text))
    counts = Counter(words)
    language = language_of(text, counts, len(words)) if family(kind) is Family.PROSE else CODE
    return DocumentResult(
        id=reference.id,
        status="analysed",
        kind=kind,
        encoding=decoded.encoding,
        encoding_source=decoded.source,
        language=language,
        title=outline.title,
        outline=outline.headings,
        headings=outline.total,
        terms=key_terms(counts, language),
        size_bytes=len(body),
        analysed_bytes=len(analysed),
        lines=body.count(b"\n") + (not body.endswith(b"\n") and bool(body)),
        words=len(text.split()),
        fingerprint=b64encode(fingerprint(words)).decode("ascii"),
    )
