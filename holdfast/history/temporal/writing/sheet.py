"""Where the writing of one of Temporal's histories is.

Owns: the events that are written, their numbers, and what is under way.
Must not know: what any kind of event says, where workflow tasks begin and end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, Final, TypeAlias
from uuid import UUID

from holdfast.errors import HistoryError
from holdfast.history.events import AnyEvent, BlobRef, CallbackOpened, FanOutCompleted, WorkflowStarted
from holdfast.history.temporal.notes import RunNote
from holdfast.history.temporal.queues import queue_of
from holdfast.history.transcript import ItemOutcome

IDENTITY: Final = "holdfast"
TASK_TIMEOUT: Final = "10s"
NAMESPACE: Final = "default"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBERED: Final = re.compile(r"(?P<name>.+)#(?P<number>[1-9]\d*)", re.DOTALL)


@dataclass(slots=True)
class ChildWritten:
    """A child that is under way."""

    workflow: str
    run_id: str
    initiated: int
    started: int = 0
    """Number of the event that says that it has begun; 0 before."""
    is_unwanted: bool = False
    """It was asked to stop before it had begun."""


@dataclass(slots=True)
class ChunkWritten:
    """An activity that does some items of a fan-out."""

    indices: range
    scheduled: int
    """Number of the event that asks for it."""


@dataclass(slots=True)
class PlaceWritten:
    """A place in a line that is asked for, or held."""

    scheduled: int
    """Number of the event that asks for it."""
    is_held: bool = False


class Sheet:
    """What has been written so far."""

    def __init__(
        self, events: Sequence[AnyEvent], outcomes: Mapping[str, Sequence[ItemOutcome]], *, for_sdk: bool
    ) -> None:
        """Begin to write.

        Args:
            events: of the history, the first of which says how the run begins.
            outcomes: of its fan-outs, by step.
            for_sdk: for code that is written with Temporal's SDK, which numbers its steps; else for ours.
        """
        begun = events[0]
        assert isinstance(begun, WorkflowStarted), "it was looked at"
        self.begun = begun
        self.outcomes = outcomes
        self.ends = {each.step: each for each in events if isinstance(each, FanOutCompleted)}
        """How each fan-out has ended."""
        self.urls = {each.step: each.url for each in events if isinstance(each, CallbackOpened)}
        """Those of its callbacks, by step."""
        self.for_sdk = for_sdk
        self.written: list[dict[str, Any]] = []
        self.time = 0.0
        """Of the drain, in seconds since the epoch."""
        self.task = 0
        """Number of the last WorkflowTaskCompleted."""
        self.open: dict[str, int] = {}
        """Number of the event that began a step, while its outcome is wanted."""
        self.timers: dict[str, str] = {}
        self.children: dict[str, ChildWritten] = {}
        self.sent: dict[str, tuple[str, int, str]] = {}
        """Kind of each message, the number of the event that sent it, and to which run, until it is there."""
        self.effects: dict[str, tuple[int, float]] = {}
        """Running number of each side effect, and when it was asked for."""
        self.fan_outs: dict[str, list[ChunkWritten]] = {}
        """The chunks of each fan-out that is under way."""
        self.places: dict[str, PlaceWritten] = {}
        """Places in lines, asked for or held, by step."""
        self.leaving = 0
        """How many places are being given back."""
        self.accepted: dict[str, int] = {}
        self.parked: list[str] = []
        """Steps that park the run now."""
        self.patches: list[str] = []
        self.later: list[Callable[[], Any]] = []
        """What is written in front of the next workflow task."""
        self.first: list[Callable[[], Any]] = []
        """What the next workflow task decides in front of what the code does."""
        self.note = RunNote()
        self._activities = 0
        self._timers = 0
        self._counts: dict[str, int] = {}

    def add(self, kind: str, time: float, **attributes: Any) -> int:
        """Write an event; return its number."""
        number = len(self.written) + 1
        kind_of = "EVENT_TYPE" + re.sub(r"(?=[A-Z])", "_", kind).upper()
        name = f"{kind[0].lower()}{kind[1:]}EventAttributes"
        self.written.append({"eventId": str(number), "eventTime": moment(time), "eventType": kind_of, name: attributes})
        return number

    def decide(self, kind: str, **attributes: Any) -> int:
        """Write an event that the last workflow task has decided; return its number."""
        return self.add(kind, self.time, **attributes, workflowTaskCompletedEventId=str(self.task))

    def queue(self, pool: str = "default") -> dict[str, str]:
        """Return the task queue of a pool."""
        return {"name": pool if self.for_sdk else queue_of(pool), "kind": "TASK_QUEUE_KIND_NORMAL"}

    def activity_id(self, step: str, name: str) -> str:
        """Count an activity, and return its id: our adapter gives the step's name, and SDKs a running number.

        A step that was dropped in its own drain took a number of the SDK's and left no fact; it shows where a later
        step of the same name skips that number.
        """
        self._activities += 1
        if not self.for_sdk:
            return step
        numbered = _NUMBERED.fullmatch(step)
        if numbered is not None:
            self._activities += max(0, int(numbered["number"]) - self._counts.get(name, 0) - 1)
            self._counts[name] = int(numbered["number"])
        return str(self._activities)

    @property
    def activities(self) -> int:
        """The running number of the last activity, remote or local."""
        return self._activities

    def timer_id(self, step: str) -> str:
        """Count a timer, and return its id."""
        self._timers += 1
        self.timers[step] = step.rpartition("#")[2] if self.for_sdk else str(self._timers)
        return self.timers[step]

    @property
    def is_settled(self) -> bool:
        """Whether children have begun, messages arrived and places are free: a run of ours does not end before."""
        return not self.sent and not self.leaving and all(each.started for each in self.children.values())


def moment(seconds: float) -> str:
    """Return a time as Temporal's files have it. Raises HistoryError."""
    try:
        return (_EPOCH + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
    except OverflowError:
        raise HistoryError(f"a time beyond the calendar: {seconds}") from None


def inside(payload: Any) -> bytes:
    """Return a payload's text. Raises HistoryError where it is stored elsewhere."""
    if isinstance(payload, BlobRef):
        raise HistoryError("a payload is stored elsewhere")
    return payload if payload is not None else b"null"


def execution_id(name: str) -> str:
    """Return what stands for an execution's name where Temporal has a UUID."""
    return str(UUID(bytes=blake2b(name.encode(), digest_size=16).digest(), version=4))


def seconds(value: float) -> str:
    """Return a duration as Temporal's files have it."""
    return f"{value:.9f}s" if value else "0s"


Writes: TypeAlias = dict[type, Callable[[Sheet, Any], Any]]
"""What writes each kind of event."""
