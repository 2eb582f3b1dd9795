"""What this process has done so far, in numbers.

Owns: what is counted, and into which buckets times fall.
Must not know: how the numbers are published, who counts.

Counting is on the path of every commit and every attempt, so it is a few additions in plain Python and nothing else: no
locks, no library. It happens on one event loop; whoever publishes the numbers from another thread reads a copy that may
be an event behind.

Labels are names from the user's code and words from here, never ids and never anything a stranger sent. Should there be
more of them than SERIES_MAX all the same, the rest is counted together.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final, TypeVar

from holdfast.ports.task import AttemptOutcome

SHORT_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Bounds for commits and requests."""
TASK_SECONDS: Final = (0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1_800.0, 7_200.0)
RUN_SECONDS: Final = (0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3_600.0, 21_600.0, 86_400.0, 604_800.0)
OPERATIONS: Final = (1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 4_000.0)

SERIES_MAX: Final = 1_000
"""How many combinations of labels one number is kept for."""
OTHER: Final = "other"
"""The label of whatever came after SERIES_MAX, and of a reason that users' code made up."""
PARKED_REASONS: Final = frozenset({"COMPENSATION", "DIVERGED", "UNREADABLE"})
"""First words of the reasons that are told apart."""

COMPLETED: Final = "completed"
FAILED: Final = "failed"
TIMED_OUT: Final = "timed_out"
CANCELLED: Final = "cancelled"

Cell = TypeVar("Cell")


class Distribution:
    """How often values fell between which bounds, and their sum."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        """Count between `bounds`, which rise; a value belongs to the first bound that is not below it."""
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self.counts)

    def add(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class Meters:
    """The numbers of one process."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.commit_seconds = Distribution(SHORT_SECONDS)
        self.commit_operations = Distribution(OPERATIONS)
        self.runs: dict[tuple[str, str], int] = {}
        """By workflow and status."""
        self.run_seconds: dict[tuple[str], Distribution] = {}
        """By workflow."""
        self.attempts: dict[tuple[str, str], Distribution] = {}
        """By task and outcome."""
        self.parked: dict[tuple[str], int] = {}
        """By the reason's first word."""
        self.requests: dict[tuple[str, str, str], Distribution] = {}
        """By method, route and status."""
        self.deliveries: dict[tuple[str, str, str], int] = {}
        """By webhook, state and reason."""
        self.fires: dict[tuple[str, str], int] = {}
        """By schedule and outcome."""
        self.late_seconds: dict[tuple[str], Distribution] = {}
        """By schedule: how long after its time a run was started."""
        self.notices: dict[tuple[str], int] = {}
        """By outcome."""
        self.replays = 0

    def committed(self, operations: int, seconds: float) -> None:
        """Count a transaction of this process."""
        self.commit_seconds.add(seconds)
        self.commit_operations.add(operations)

    def closed(self, workflow: str, status: str, seconds: float) -> None:
        """Count an execution that this process has ended, `seconds` after it began."""
        key = (workflow, status)
        if key not in self.runs:
            key = _fitting(self.runs, key)
        self.runs[key] = self.runs.get(key, 0) + 1
        _distribution(self.run_seconds, (workflow,), RUN_SECONDS).add(seconds)

    def attempted(self, task: str, outcome: AttemptOutcome) -> None:
        """Count an attempt that has ended in this process."""
        if outcome.result is not None:
            key = (task, COMPLETED)
        elif outcome.cancelled:
            key = (task, CANCELLED)
        else:
            key = (task, TIMED_OUT if outcome.timeout else FAILED)
        # As in `_distribution`; this one is on the path of every step.
        cell = self.attempts.get(key) or _distribution(self.attempts, key, TASK_SECONDS)
        seconds = outcome.ended - outcome.started
        cell.counts[bisect_left(TASK_SECONDS, seconds)] += 1
        cell.sum += seconds

    def replayed(self) -> None:
        """Count a history that was replayed so that its run could go on, or answer."""
        self.replays += 1

    def park(self, reason: str) -> None:
        """Count a run that was parked."""
        word = reason.partition(" ")[0]
        key = (word if word in PARKED_REASONS else OTHER,)
        self.parked[key] = self.parked.get(key, 0) + 1

    def delivered(self, webhook: str, state: str, reason: str = "") -> None:
        """Count a delivery that was answered; `reason` is a word from here, not what a sender wrote."""
        _count(self.deliveries, (webhook, state, reason))

    def fired(self, schedule: str, outcome: str, times: int) -> None:
        """Count due times of a schedule that this process has acted on, or let go."""
        _count(self.fires, (schedule, outcome), times)

    def started_late(self, schedule: str, seconds: float) -> None:
        """Note how long after its time a run of a schedule was started."""
        _distribution(self.late_seconds, (schedule,), TASK_SECONDS).add(seconds)

    def noticed(self, outcome: str) -> None:
        """Count a try at telling an outside system that a run has ended."""
        _count(self.notices, (outcome,))

    def served(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an HTTP request that was answered; `method` and `route` are not what a stranger made up."""
        _distribution(self.requests, (method, route, str(status)), SHORT_SECONDS).add(seconds)


Key = TypeVar("Key", bound=tuple[str, ...])


def _count(cells: dict[Key, int], key: Key, times: int = 1) -> None:
    if key not in cells:
        key = _fitting(cells, key)
    cells[key] = cells.get(key, 0) + times


def _distribution(cells: dict[Key, Distribution], key: Key, bounds: tuple[float, ...]) -> Distribution:
    cell = cells.get(key)
    if cell is None:
        cell = cells.setdefault(_fitting(cells, key), Distribution(bounds))
    return cell


def _fitting(cells: dict[Key, Cell], key: Key) -> Key:
    if len(cells) < SERIES_MAX:
        return key
    return tuple(OTHER for _ in key)  # type: ignore[return-value]  # as many words as there were
