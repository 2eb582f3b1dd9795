"""The outcomes of a fan-out's items, kept beside the history.

Owns: the table `outcomes`, its encoding, and the digest over it.
Must not know: who produced an outcome, or how many are still to come.

Outcomes are appended as they come in, a few to a row, and never changed. A row holds outcomes of one slice of the
fan-out's items only, so a range of indexes is a range of rows, whatever the order in which they came.
"""

from __future__ import annotations

from hashlib import blake2b
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Final

import msgspec

from holdfast.history import HASH_BYTES
from holdfast.ports.operations import FanOutSummary, ItemOutcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from holdfast.stores.sql.session import Reader, Session

ROW_BYTES_MAX: Final = 1 << 20
"""A row of outcomes ends with the one that brings it to this many bytes."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[ItemOutcome]).decode


def put(session: Session, fan_out_id: int, first: int, outcomes: Sequence[ItemOutcome]) -> None:
    """Append outcomes of items of the slice that begins with index `first`."""
    rows: list[list[ItemOutcome]] = [[]]
    row_bytes = 0
    for outcome in outcomes:
        if row_bytes >= ROW_BYTES_MAX:
            rows.append([])
            row_bytes = 0
        rows[-1].append(outcome)
        row_bytes += len(outcome.body)
    session.run_many("add_outcomes", [(fan_out_id, first, _encode(row)) for row in rows if row])


def read_outcomes(reader: Reader, fan_out_id: int, start: int, stop: int) -> list[ItemOutcome]:
    """Return the outcomes of items `start` to `stop` (exclusive), by index."""
    rows = reader.rows("read_outcomes", (fan_out_id, start, stop))
    return [outcome for outcome in _by_index(rows) if start <= outcome.index < stop]


def summarize(session: Session, fan_out_id: int, step: str, count: int) -> FanOutSummary:
    """Return what a fan-out's workflow is told about its outcomes, in one pass over them.

    The digest is BLAKE2b-128 over, for each outcome by index: one byte (1 for ok, else 0), the length of its body as 8
    bytes, the body.
    """
    digest = blake2b(digest_size=HASH_BYTES)
    failed = 0
    first_failed: ItemOutcome | None = None
    for outcome in _by_index(session.each("all_outcomes", (fan_out_id,))):
        digest.update(b"%c%b%b" % (outcome.ok, len(outcome.body).to_bytes(8, "big"), outcome.body))
        if not outcome.ok:
            failed += 1
            first_failed = first_failed or outcome
    return FanOutSummary(
        step=step,
        digest=digest.digest(),
        count=count,
        failed=failed,
        first_failed_index=first_failed.index if first_failed else -1,
        first_failure=first_failed.body if first_failed else b"",
    )


def _by_index(rows: Iterable[tuple[int, bytes]]) -> Iterator[ItemOutcome]:
    # Slices come in order; only within one do outcomes have to be sorted, so only one is ever held.
    for _, group in groupby(rows, key=itemgetter(0)):
        yield from sorted((outcome for _, body in group for outcome in _decode(body)), key=attrgetter("index"))
