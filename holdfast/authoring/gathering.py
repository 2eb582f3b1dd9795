"""Events that become one run, as users write it: `Debounce`, `Batch`.

Owns: when a gathering is due, and the input that its run gets.
Must not know: where events wait, who begins the run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from holdfast.authoring.durations import Duration, read_duration
from holdfast.errors import DefinitionError, InputError
from holdfast.ports.operations import GATHERED_EVENTS_MAX

AT_MOST_TIMES: Final = 10
"""How many times as long as it has to be quiet a burst may last, where nobody says."""


@dataclass(frozen=True, slots=True)
class Debounce:
    """One run for a burst of events: it begins when none came for a while, with the last of them.

    >>> Debounce("30s").within_seconds
    300.0
    """

    quiet: Duration
    """How long no event may come before the run begins."""
    at_most: Duration | None = None
    """How long after the first event it begins although they go on coming; ten times `quiet` when None."""

    def __post_init__(self) -> None:
        """Check every field; raises DefinitionError."""
        if self.within_seconds < self.quiet_seconds:
            raise DefinitionError(
                f"Debounce({self.quiet!r}, at_most={self.at_most!r}): nothing is quiet for longer than it lasts",
                remedy="Give at_most a longer time.",
            )

    @property
    def size(self) -> int:
        """How many events are enough: no number of them is, and only the last one counts."""
        return 0

    @property
    def quiet_seconds(self) -> float:
        """How long no event may come, in seconds."""
        return read_duration(self.quiet, "quiet of a debounce")

    @property
    def within_seconds(self) -> float:
        """How long after the first event the run begins at the latest, in seconds."""
        if self.at_most is None:
            return AT_MOST_TIMES * self.quiet_seconds
        return read_duration(self.at_most, "at_most of a debounce")


@dataclass(frozen=True, slots=True)
class Batch:
    """One run for many events: it begins when there are enough, or some time after the first, with all of them.

    >>> Batch(100, within="10s").within_seconds
    10.0
    """

    size: int
    """How many events are enough."""
    within: Duration
    """How long after the first event the run begins although there are fewer."""

    def __post_init__(self) -> None:
        """Check every field; raises DefinitionError."""
        size: Any = self.size
        if type(size) is not int or not 1 <= size <= GATHERED_EVENTS_MAX:
            raise DefinitionError(f"Batch({size!r}): its size has to be an integer from 1 to {GATHERED_EVENTS_MAX:,}")
        _ = self.within_seconds

    @property
    def quiet_seconds(self) -> float:
        """How long no event may come: 0, nobody waits for silence."""
        return 0.0

    @property
    def within_seconds(self) -> float:
        """How long after the first event the run begins at the latest, in seconds."""
        return read_duration(self.within, "within of a batch")


Gathering: TypeAlias = Debounce | Batch
"""How events gather."""


def read_gathering(
    debounce: Debounce | Duration | None, batch: Batch | Mapping[str, Any] | None, what: str, where: str = ""
) -> Gathering | None:
    """Return how events gather, from the two ways to say it; None when neither is given.

    Args:
        debounce: a Debounce, or how long it has to be quiet.
        batch: a Batch, or its fields by name, as a file of settings has them.
        what: names who says it, in errors.
        where: `file:line` of it.

    Raises:
        DefinitionError: both are given, or one of them does not fit.
    """
    if debounce is not None and batch is not None:
        remedy = "A debounce keeps the last event, a batch keeps all of them: choose one."
        raise DefinitionError(f"{what} is given both a debounce and a batch", where, remedy)
    if debounce is not None:
        return debounce if isinstance(debounce, Debounce) else Debounce(debounce)
    if batch is None or isinstance(batch, Batch):
        return batch
    given: Any = batch  # settings say what they like
    if not isinstance(given, Mapping) or given.keys() != {"size", "within"}:
        remedy = 'Such as Batch(100, within="10s"); in holdfast.toml { size = 100, within = "10s" }.'
        raise DefinitionError(f"batch of {what} is {batch!r}", where, remedy)
    return Batch(given["size"], given["within"])


def event_of(gathering: Gathering, payload: bytes, workflow: str) -> bytes:
    """Return an event as JSON text: the input of the run, or an element of it.

    Args:
        gathering: how events gather.
        payload: the input of a run that would begin with this event alone; of a batch a list of it.
        workflow: names it in errors.

    Raises:
        InputError: the workflow does not take a list.
    """
    if not gathering.size:
        return payload
    if payload[:1] != b"[" or payload[-1:] != b"]":
        problem = "a batch is given as one list; declare its workflow so: async def run(self, events: list[Event])"
        raise InputError(f"the input of {workflow}", (("", problem),))
    return payload[1:-1]


def join_events(size: int, events: Sequence[bytes]) -> bytes:
    """Return the input of the run of a gathering, from its events as `event_of` made them."""
    return b"[" + b",".join(events) + b"]" if size else events[-1]
