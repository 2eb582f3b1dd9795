"""Answers of language models that are given again to whoever asks the very same.

Owns: the table `model_answers`.
Must not know: models, what was asked, how long an answer holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.ports.operations import KeepModelAnswer, ModelAnswer

if TYPE_CHECKING:
    from holdfast.stores.sql.session import Handler, Reader, Session


def keep(session: Session, operation: KeepModelAnswer) -> None:
    """Keep an answer for some time, in place of an older one to the same; those whose time is over go."""
    session.run("drop_old_model_answers", (session.now,))
    session.run("put_model_answer", (operation.digest, operation.body, session.now + operation.seconds))


def read_answer(reader: Reader, digest: str) -> ModelAnswer | None:
    """Return what is kept under a digest; its time may be over."""
    row = reader.row("read_model_answer", (digest,))
    return None if row is None else ModelAnswer(*row)


HANDLERS: Final[dict[type, Handler]] = {KeepModelAnswer: keep}
