"""What steps say while they are at it, such as the words of a language model: outside of histories.

Owns: the tables `streams` and `stream_pieces`.
Must not know: who says it, who reads it.

A step that is tried again says everything anew: that is another *epoch*. What an older one said is gone with it, and
whoever still says something for it is refused. So a reader never sees the words of two attempts as one text, and what
is kept is bounded: of each stream one epoch, of each run so many streams.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.ports.operations import CUT, OpenStream, Said, Say, StreamRecord

if TYPE_CHECKING:
    from holdfast.stores.sql.session import Handler, Reader, Session

CHARACTERS_MAX: Final = 1_000_000
"""How much a stream says, at most; what comes then is not kept, and it ends as cut."""
STREAMS_MAX: Final = 1_000
"""How many streams a run has, at most; steps beyond say nothing."""
PIECES_MAX: Final = 500
"""How many pieces are read at once."""


def open_(session: Session, operation: OpenStream) -> int:
    """Begin the next epoch of a stream; return it, 0 where the run has too many streams."""
    key = (operation.execution, operation.name)
    found = session.row("find_stream", key)
    if found is None and int(session.value("count_streams", (operation.run_id,))) >= STREAMS_MAX:
        return 0
    session.run("drop_pieces", key)
    session.run("open_stream", (*key, operation.run_id, session.now))
    return 1 if found is None else int(found[0]) + 1


def say(session: Session, operation: Say) -> bool:
    """Add what was said; return whether more is wanted."""
    key, said = (operation.execution, operation.name), operation.characters
    found = session.row("find_stream", key)
    if found is None or found[0] != operation.epoch or found[2]:
        return False
    characters: int = found[1]
    if operation.start + said <= characters and not operation.ended:
        return True  # it is there: whoever says it did not hear so
    if operation.start != characters:
        return False
    if characters + said > CHARACTERS_MAX:
        session.run("note_said", (*key, characters, CUT))
        return False
    if said:
        session.run("put_piece", (*key, operation.start, said, operation.body))
    session.run("note_said", (*key, characters + said, operation.ended))
    return not operation.ended


def prune(session: Session, execution_id: int) -> None:
    """Forget what the steps of a run said, of which this is the newest execution."""
    for key in session.rows("streams_of_execution", (execution_id,)):
        session.run("drop_pieces", key)
    session.run("drop_streams_of_run", (execution_id,))


def read_stream(reader: Reader, execution: str, name: str, epoch: int, start: int) -> Said | None:
    """Return what comes behind a place in an epoch; from the beginning where that is not the newest epoch."""
    found = reader.row("find_stream", (execution, name))
    if found is None:
        return None
    newest, characters, ended = found
    after = start if epoch == newest else 0
    pieces = reader.rows("read_pieces", (execution, name, after, PIECES_MAX))
    return Said(newest, characters, ended, tuple((place, body) for place, body in pieces))


def read_streams(reader: Reader, run_id: str) -> list[StreamRecord]:
    """Return the streams of a run, in the order in which their newest epochs began."""
    return [StreamRecord(*row) for row in reader.rows("streams_of", (run_id, STREAMS_MAX))]


HANDLERS: Final[dict[type, Handler]] = {OpenStream: open_, Say: say}
