"""Reports of answers that are not as code expects them.

Owns: drifts, the mappings that are proposed for them, accepting one.
Must not know: runs, what settles one.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from holdfast.controller.documents.base import Document
from holdfast.controller.times import iso_time, iso_time_or_none
from holdfast.ports.mappings import say_step
from holdfast.ports.operations import DriftRecord


class Difference(Document, frozen=True):
    """One difference between what is expected and what was found."""

    path: str
    """Where in the answer: `data[].amount`; empty for all of it."""
    expected: str
    found: str


class Proposal(Document, frozen=True):
    """A mapping from answers of the new shape to the old one, and the runs on which it was tried."""

    mapping: list[dict[str, Any]]
    """Its steps: what `accept` takes."""
    words: str
    """The same for people."""
    state: Literal["proven", "unproven"]
    made_from: str
    """The run whose answer it was made from."""
    proven: list[str]
    """Runs that go on with it."""
    refuted: list[str]
    """Runs that do not."""


class Drift(Document, frozen=True):
    """A host that answers otherwise than code expects, and the runs that are parked because of it."""

    drift: int
    state: Literal["open", "resolved"]
    host: str
    endpoint: str
    """What is called: `GET /charges/{}`."""
    contract: str
    """What the answer was expected to be."""
    changes: list[Difference]
    first_seen: str
    first_run: str
    """The run that found it."""
    runs: int
    """How many were parked."""
    parked: int
    """How many still are."""
    resolved_at: str | None
    resolved_by: str | None
    proposals: list[Proposal]
    """What `holdfast repair --drift` proposed last, the ones that are proven first."""


class AcceptedMapping(Document, frozen=True):
    """Which of the mappings that are proposed is accepted."""

    mapping: list[dict[str, Any]]
    """Its steps, as they stand in the report."""


class DriftList(Document, frozen=True):
    """Reports, the newest first."""

    drifts: list[Drift]


class ResolvedDrift(Document, frozen=True):
    """A drift that was resolved, as far as asked for."""

    drift: int
    resumed: int
    """How many runs went on now."""
    parked: int
    """How many are left: ask again."""


def drift_document(record: DriftRecord) -> Drift:
    """Return one report."""
    return Drift(
        drift=record.drift,
        state="open" if record.settled_at is None else "resolved",
        host=record.host,
        endpoint=record.endpoint,
        contract=record.contract,
        changes=[Difference(path=each.path, expected=each.expected, found=each.found) for each in record.changes],
        first_seen=iso_time(record.first_seen),
        first_run=record.first_run,
        runs=record.runs,
        parked=record.parked,
        resolved_at=iso_time_or_none(record.settled_at),
        resolved_by=record.settled_by or None,
        proposals=[
            Proposal(
                mapping=msgspec.to_builtins(list(each.steps)),
                words="; ".join(say_step(step) for step in each.steps),
                state="proven" if each.holds else "unproven",
                made_from=each.made_from,
                proven=list(each.proven),
                refuted=list(each.refuted),
            )
            for each in record.proposals
        ],
    )
