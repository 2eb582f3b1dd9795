"""What came of a replay.

Owns: the verdicts, a divergence with both its sides, the side-by-side view.
Must not know: how a replay is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from holdfast.engine import Difference
from holdfast.history import HOLDFAST, Failure

DIVERGED: Final = "DIVERGED"
"""The status of a replay whose code departed from its history."""

COLUMN_CHARACTERS_MAX: Final = 60
"""How wide one side of a diff is shown."""


class Verdict(StrEnum):
    """Whether code fits a history."""

    IDENTICAL = "IDENTICAL"
    """It repeats every recorded decision, and asks for nothing else."""
    COMPATIBLE_NEW_TAIL = "COMPATIBLE_NEW_TAIL"
    """It repeats every recorded decision, and goes on beyond them."""
    DIVERGED = "DIVERGED"
    """It decides something else than was recorded."""
    PAYLOAD_INCOMPATIBLE = "PAYLOAD_INCOMPATIBLE"
    """A recorded value does not fit the type that the code declares for it."""


@dataclass(frozen=True, slots=True)
class Side:
    """One decision: as it was recorded, or as the code attempts it now."""

    step: str
    """Its identity: `fetch#2`, `fetch[doc-7]`, `sleep#1`; `result`, `failure` and the like where it is no step."""
    words: str
    """The decision in a few words."""
    where: str = ""
    """`file:line, in function` of the user's code, where it is known."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """One place where the code departs from its history."""

    kind: Difference
    event_id: int
    """The event at which it shows; for what was inserted, the event before which it stands."""
    recorded: Side | None
    """None where history has nothing."""
    attempted: Side | None
    """None where the code asks for nothing."""
    where: str = ""
    """`file:line, in function` of today's code at which it shows."""
    hint: str = ""
    """What to do about it."""

    def __str__(self) -> str:
        """Return it in one line."""
        recorded = self.recorded.words if self.recorded else "nothing"
        attempted = self.attempted.words if self.attempted else "nothing"
        place = f"  ({self.where})" if self.where else ""
        return f"event {self.event_id}: {self.kind}: recorded {recorded}, attempted {attempted}{place}"


@dataclass(frozen=True, slots=True)
class PayloadProblem:
    """A recorded value that does not fit what the code declares."""

    event_id: int
    what: str
    """Which value: `the result of fetch#1`."""
    problem: str
    """What does not fit, by JSON pointer."""
    where: str = ""
    """Where the code waits for it: `file:line, in function`."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the side-by-side view."""

    event_id: int | None
    recorded: Side | None
    attempted: Side | None
    kind: Difference | None = None
    """How the two differ; None where they agree."""


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What came of a replay. Compare `status` with a word: `result.status == "COMPLETED"`."""

    run_id: str
    execution: str
    workflow: str
    status: str
    """Where the code ended: COMPLETED, FAILED, CANCELLED, TERMINATED, CONTINUED_AS_NEW, DIVERGED; RUNNING: it waits."""
    verdict: Verdict
    recorded_status: str
    """Where the run ended in production; RUNNING where its history has no end."""
    matches_production: bool
    """The code ended like the run did in production: same status, same result, same class of failure."""
    output: Any = None
    """The run's result, as the workflow declares it; None unless it completed."""
    failure: Failure | None = None
    """How the run failed; None unless it did."""
    divergences: Sequence[Divergence] = ()
    payload_problems: Sequence[PayloadProblem] = ()
    rows: Sequence[Row] = ()
    """Recorded and attempted decisions, side by side, around each divergence; the tail where there is none."""
    engine: str = HOLDFAST
    """Whose history it is, `holdfast` or `temporal`, and for which engine the verdict holds: code that repeats a
    history of Temporal's, drained where Temporal drained it, need not repeat the same run drained event by event."""
    events: int = 0
    """How many events the history has."""
    waits_for: Sequence[str] = ()
    """Steps the code waits for, where it is RUNNING."""
    ran: Sequence[str] = ()
    """Steps whose code was run by this replay, one entry for each attempt."""
    leftover: Sequence[str] = ()
    """Recorded facts that the code had no use for, in words; only where tasks were run again."""
    warnings: Sequence[str] = ()

    def diff(self) -> str:
        """Return recorded and attempted decisions side by side, '' when there is no difference.

        Where recorded values do not fit, it says which, where, and why.
        """
        unfit = [f"! {each.event_id:>5}  {each.what} does not fit: {each.problem}" for each in self.payload_problems]
        places = [f"{'':9}read at {each.where}" if each.where else "" for each in self.payload_problems]
        lines = [line for pair in zip(unfit, places, strict=True) for line in pair if line]
        return "".join(f"{each}\n" for each in [*lines, *self._side_by_side()])

    def _side_by_side(self) -> list[str]:
        if not self.rows:
            return []
        left = [_words(each.recorded) for each in self.rows]
        right = [_words(each.attempted) for each in self.rows]
        wide = max(len("recorded"), *map(len, left))
        wider = max(len("attempted"), *map(len, right))
        lines = [f"  {'event':>5}  {'recorded':<{wide}}  attempted"]
        for row, before, after in zip(self.rows, left, right, strict=True):
            event = "" if row.event_id is None else str(row.event_id)
            note = "" if row.kind is None else row.kind.value
            lines.append(f"{'!' if row.kind else ' '} {event:>5}  {before:<{wide}}  {after:<{wider}}  {note}".rstrip())
            if row.kind is not None:
                lines += [f"{'':9}{each}" for each in _places(row)]
        return [*lines, *(f"{'':9}{each.hint}" for each in self.divergences[:1] if each.hint)]


def _words(side: Side | None) -> str:
    if side is None:
        return "-"
    text = side.words
    return text if len(text) <= COLUMN_CHARACTERS_MAX else text[: COLUMN_CHARACTERS_MAX - 3] + "..."


def _places(row: Row) -> list[str]:
    recorded = row.recorded.where if row.recorded else ""
    attempted = row.attempted.where if row.attempted else ""
    if recorded and recorded == attempted:
        return [f"at {recorded}"]
    return [f"{what} at {where}" for what, where in (("recorded", recorded), ("attempted", attempted)) if where]
