"""What the run proved, as the one who watched it counted it.

Owns: the shape of that account, and whether it is a proof at all.
Must not know: how a run is watched, or how the account is shown.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kill:
    """A worker that was killed with kill -9 in the middle of its work.

    `items_held` is how many documents it had claimed then. Times are seconds since the start of the run;
    `taken_over_after_seconds` counts from the kill and is None when nobody took its work over.
    """

    pid: int
    member: str
    items_held: int
    at_seconds: float
    taken_over_by: str | None = None
    taken_over_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """How many results were durable `at_seconds` after the start."""

    at_seconds: float
    done: int


@dataclass(frozen=True, slots=True)
class Proof:
    """The account of one run.

    `documents_in` were handed over, `results_out` different results came back. `effects_twice` counts documents with
    more than one recorded result, `runs_lost` runs that were acknowledged and never ended.
    `sequential_seconds_estimate` is what one process would have needed, `speedup` that divided by `seconds`.
    `files` and `sections` say what the documents were, `corpus` the same in a sentence, with what was missing.
    `samples` are in the order of time.
    """

    documents_in: int
    results_out: int
    effects_twice: int
    runs_lost: int
    seconds: float
    documents_per_second: float
    sequential_seconds_estimate: float
    speedup: float
    workers: int
    database: str
    files: int
    sections: int
    killed: tuple[Kill, ...] = ()
    samples: tuple[Sample, ...] = ()
    run_id: str = ""
    machine: str = ""
    corpus: str = ""

    @property
    def missing(self) -> int:
        """Return how many documents have no result."""
        return max(0, self.documents_in - self.results_out)

    @property
    def holds(self) -> bool:
        """Say whether every document has exactly one result, nothing happened twice and no run was lost."""
        return self.documents_in == self.results_out and not self.effects_twice and not self.runs_lost
