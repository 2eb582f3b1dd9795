"""Why a run does not move, as the API says it.

Owns: chains of causes.
Must not know: how causes are found.
"""

from __future__ import annotations

from holdfast.controller.documents.base import Document
from holdfast.controller.times import iso_time_or_none
from holdfast.ports.engine import Cause


class WhyNot(Document, frozen=True):
    """One reason why a run does not move."""

    kind: str
    """A word for programs, such as `no-worker`."""
    text: str
    step: str
    since: str | None
    remedy: str
    """What can be done, where something can."""
    run: str
    """The run that this is about, where it is another one."""
    causes: list[WhyNot]
    """Why that run does not move."""


class Explained(Document, frozen=True):
    """Why a run does not move, as a chain of causes."""

    run_id: str
    execution: str
    status: str
    causes: list[WhyNot]


def cause_document(cause: Cause) -> WhyNot:
    """Return one reason why a run does not move."""
    return WhyNot(
        kind=cause.kind,
        text=cause.text,
        step=cause.step,
        since=iso_time_or_none(cause.since),
        remedy=cause.remedy,
        run=cause.run,
        causes=[cause_document(each) for each in cause.causes],
    )
