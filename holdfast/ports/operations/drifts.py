"""Answers of hosts that are not as code expects them: one report for each change, and the runs parked under it.

Owns: reporting a drift, settling one, and how one is shown.
Must not know: how a drift is found.
"""

from __future__ import annotations

from collections.abc import Collection

from holdfast.ports.mappings import Step
from holdfast.ports.operations.base import Value


class DriftChange(Value, frozen=True):
    """One difference between what is expected and what was found. No value of an answer is in it."""

    path: str
    """Where in the answer: `data[].amount`."""
    expected: str
    found: str


class ReportDrift(Value, frozen=True):
    """Park a run because a host answered otherwise than expected. Result: number of the report, 0 for none.

    The first one makes the report, and all others who call the same come under it. One that only heard of a report
    makes none, and parks nothing when it was settled meanwhile.
    """

    execution_id: int
    host: str
    endpoint: str
    """What was called: `GET /charges/{}`."""
    contract: str
    """What the answer was expected to be."""
    changes: tuple[DriftChange, ...] = ()
    """None for one that only heard of it."""


class SettleDrift(Value, frozen=True):
    """Let calls be made again, and so many parked runs go on. Result: how many did; None when there is no such report.

    Called again and again until it is 0, it lets all go on at a bounded rate.
    """

    drift: int
    by: str
    limit: int
    mapping: tuple[Step, ...] = ()
    """How answers of the new shape are read from now on, until the report, or a later one of the same call, is settled
    without any."""


def is_proof(proven: Collection[object], refuted: Collection[object]) -> bool:
    """Say whether runs prove a mapping: some go on with it, and none does not."""
    return bool(proven) and not refuted


class ProposedMapping(Value, frozen=True):
    """A mapping that may undo a drift, and the runs on which it was tried. No value of an answer is in it."""

    steps: tuple[Step, ...]
    made_from: str
    """The run whose answer it was made from."""
    proven: tuple[str, ...] = ()
    """Runs that go on with it."""
    refuted: tuple[str, ...] = ()
    """Runs that do not."""

    @property
    def holds(self) -> bool:
        """Whether it is proven."""
        return is_proof(self.proven, self.refuted)


class ProposeMappings(Value, frozen=True):
    """Keep what is proposed for a report, in place of what was before. Result: whether it is open."""

    drift: int
    proposals: tuple[ProposedMapping, ...]


class DriftRecord(Value, frozen=True):
    """A report."""

    drift: int
    host: str
    endpoint: str
    contract: str
    changes: tuple[DriftChange, ...]
    first_seen: float
    first_run: str
    """The run that found it."""
    runs: int
    """How many were parked under it."""
    parked: int
    """How many still are."""
    settled_at: float | None
    settled_by: str
    proposals: tuple[ProposedMapping, ...] = ()
    """What was proposed last, the ones that hold first."""
