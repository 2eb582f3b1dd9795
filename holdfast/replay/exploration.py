"""How code departs from a history, all the way to its end.

Owns: the way on behind the first divergence, and the name of each one.
Must not know: whether code fits a history; strict replay says that.

Theory of operation
===================

Strict replay stops where code and history first disagree, and from there alone nobody can tell a new step from one
that got another name. So the code is run once more, by another rule: a recorded outcome goes to the step that asks for
the same, wherever it stands. A step that nothing was recorded of is given an outcome all the same, so that the code
goes on: that of the recorded step whose place it takes, or a made-up one. Which of the two is right shows afterwards,
when both sequences of decisions are laid side by side: the guess under which they agree best is kept.

All of this is on paper: no task is run, and nothing of it is ever recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from holdfast.engine import (
    ENDS,
    Difference,
    Issued,
    State,
    content_of,
    decide_change,
    decision_of,
    identity_of,
)
from holdfast.errors import DivergenceError, HistoryError
from holdfast.history import (
    CLOSING,
    AcquireLock,
    AnyEvent,
    ChildCompleted,
    ChildStarted,
    Decision,
    DecisionEvent,
    FanOutCompleted,
    History,
    Input,
    InputEvent,
    ItemOutcome,
    LockGranted,
    MessageDelivered,
    PatchMarked,
    RunSideEffect,
    ScheduleTask,
    SendMessage,
    SideEffectRecorded,
    StartChild,
    StartFanOut,
    TaskCompleted,
    WorkflowFailed,
)
from holdfast.ports.program import Guard, Program
from holdfast.replay.alignment import Pair, align
from holdfast.replay.course import Course
from holdfast.replay.hints import hint_for
from holdfast.replay.result import Divergence, Row, Side
from holdfast.replay.samples import sample_payload
from holdfast.replay.watched import COMMANDS_BEYOND_MAX, WatchedExecution
from holdfast.replay.words import place_of, side_of

EXPLORATIONS_MAX: Final = 16
"""How often the code is run again to find out what became of which step."""
EXPLORED_EVENTS_MAX: Final = 50_000
"""How many events all these runs may have together."""
SEEN_ENDS_MAX: Final = 5_000
"""In longer histories the line at which the run ended is not looked for: it doubles the time."""
UNKNOWN_MAX: Final = 50
"""How many steps without a record one exploration answers."""
CONTEXT_ROWS: Final = 3
"""How many rows that agree are shown around one that does not."""

_FOLLOW_UPS: Final = tuple(
    kind
    for kind in DecisionEvent.__args__
    if kind.__name__.endswith(("Cancelled", "CancelRequested", "Released")) and not issubclass(kind, ENDS)
)
"""Decisions about a step: when the step is new or gone, so are they, and need no words of their own."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What exploration found."""

    divergences: Sequence[Divergence]
    rows: Sequence[Row]


class _Guesses:
    """Answers by what a step asks for; where nothing was recorded, by a guess."""

    keeps_time = True

    def __init__(
        self, recorded: Sequence[tuple[int, DecisionEvent]], replaced: dict[int, bool], *, is_closed: bool
    ) -> None:
        self.outcomes: dict[str, Sequence[ItemOutcome]] = {}
        self.unknown: list[bool] = []
        """For each step without a record, in order: whether another step's place was given to it."""
        self.made_up = 0
        self.execution: WatchedExecution | None = None
        self._replaced = replaced
        self._is_closed = is_closed
        self._free: dict[str, Any] = {}
        """Recorded steps that nobody has asked for yet."""
        self._by_content: dict[tuple[Any, ...], dict[str, None]] = {}
        for _, each in recorded:
            step = identity_of(each)
            if _opens(each) and step not in self._free:
                self._free[step] = each
                self._by_content.setdefault(content_of(each), {})[step] = None

    def match(self, issued: Issued) -> str | None:
        """Find the recorded step that asks for the same, or whose place is taken."""
        attempted: Any = decision_of(issued, 0.0)
        alike = self._by_content.get(content_of(attempted))
        if alike:
            return self._take(attempted.step if attempted.step in alike else next(iter(alike)))
        number = len(self.unknown)
        family = [step for step, each in self._free.items() if type(each) is type(attempted)]
        same = [step for step in family if decide_change(self._free[step], attempted) is not Difference.RENAMED]
        takes = self._replaced.get(number, bool(same))
        self.unknown.append(takes)
        candidates = same or family
        if not takes or not candidates:
            return None
        return self._take(candidates[0])

    def _take(self, step: str) -> str:
        del self._by_content[content_of(self._free.pop(step))][step]
        return step

    def recorded(self, event: Any, issued: Issued, now: float) -> InputEvent | None:  # noqa: ARG002 - as it is
        """Answer as it was recorded."""
        outcome: InputEvent = event
        return outcome

    def answer(self, issued: Issued, now: float) -> InputEvent | None:
        """Make something up."""
        if not (self._free or self._is_closed):
            return None  # history has nothing left to compare with
        self.made_up += 1
        command = issued.command
        match command:
            case ScheduleTask():
                payload = self._sample(command.step)
                return None if payload is None else TaskCompleted(now, -1, command.step, payload)
            case RunSideEffect():
                payload = self._sample(command.step)
                return None if payload is None else SideEffectRecorded(now, -1, command.step, payload)
            case StartChild():
                assert self.execution is not None
                if self.execution.open[command.step].state is not State.STARTED:
                    return ChildStarted(now, -1, command.step, command.run_id)
                payload = self._sample(command.step)
                return None if payload is None else ChildCompleted(now, -1, command.step, payload)
            case SendMessage():
                return MessageDelivered(now, -1, command.step)
            case AcquireLock():
                return LockGranted(now, -1, command.step, 1)
            case StartFanOut():
                self.outcomes[command.step] = [b"null"] * len(command.items)
                return FanOutCompleted(now, -1, command.step, b"", len(command.items), 0)
            case _:
                return None

    def _sample(self, step: str) -> bytes | None:
        assert self.execution is not None
        read: Any = self.execution.open[step].decode
        problems = len(self.execution.problems)
        signature = getattr(read, "signature", None)
        payload = sample_payload(read, getattr(signature, "output_schema", None))
        del self.execution.problems[problems:]
        return payload


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One run of the code by guesses."""

    attempted: list[tuple[Issued, DecisionEvent]]
    pairs: list[Pair]
    cost: float
    unknown: list[bool]
    broken_off: bool
    """What comes behind its last agreement says nothing."""
    waits_at: str


def explain(program: Program, guard: Guard, history: History, error: DivergenceError) -> Explanation:
    """Return every divergence of the code from a history.

    Args:
        program: the workflow's code.
        guard: keeps it from clocks, entropy and I/O.
        history: which it does not repeat.
        error: the first divergence, as strict replay found it.
    """
    recorded = _decisions(history.events)
    try:
        attempt = _best(program, guard, history, recorded)
    except HistoryError:  # a course that strict replay never took meets what is wrong behind its divergence
        attempt = None
    found = None if attempt is None else _Comparison(history, recorded, attempt).explain()
    if found is not None and found.divergences:
        return found
    if attempt is not None and (moved := _moved(history, recorded, attempt, error)) is not None:
        return moved
    return _as_it_was_found(error)


def _decisions(events: Sequence[AnyEvent]) -> list[tuple[int, DecisionEvent]]:
    found = [(event_id, each) for event_id, each in enumerate(events, 1) if isinstance(each, Decision)]
    return sorted(found, key=lambda each: place_of(each[1]))


def _opens(decision: DecisionEvent) -> bool:
    return hasattr(decision, "step") and not isinstance(decision, _FOLLOW_UPS)


def _best(program: Program, guard: Guard, history: History, recorded: list[tuple[int, DecisionEvent]]) -> _Attempt:
    def attempt(replaced: dict[int, bool]) -> _Attempt:
        return _attempt(program, guard, history, recorded, replaced)

    best = attempt({})
    runs = min(EXPLORATIONS_MAX, EXPLORED_EVENTS_MAX // max(1, len(history.events)))
    replaced: dict[int, bool] = {}
    number = 0
    while best.cost and number < len(best.unknown) and runs > 1:
        other = {**replaced, number: not best.unknown[number]}
        tried = attempt(other)
        if (tried.broken_off, tried.cost) < (best.broken_off, best.cost):
            best, replaced = tried, other
        number += 1
        runs -= 1
    return best


def _attempt(
    program: Program,
    guard: Guard,
    history: History,
    recorded: list[tuple[int, DecisionEvent]],
    replaced: dict[int, bool],
) -> _Attempt:
    is_closed = isinstance(history.events[-1], CLOSING)
    guesses = _Guesses(recorded, replaced, is_closed=is_closed)
    course = Course(history, guesses, beyond_max=UNKNOWN_MAX)
    execution = WatchedExecution(
        program,
        guard,
        course.open_fan_out,
        commands_max=len(recorded) + COMMANDS_BEYOND_MAX,
        trace=True,
        sees_ends=len(history.events) <= SEEN_ENDS_MAX,
    )
    guesses.execution = execution
    execution.patches.remember(history.events)
    try:
        course.run(execution, 0, (), 0.0)
        waits_at = execution.where()
    finally:
        execution.evict()
    attempted = [(each, decision_of(each, 0.0)) for each in sorted(course.attempted, key=place_of)]
    ends = [each for _, each in attempted if isinstance(each, ENDS)]
    # Code that fails over what was made up for it has not decided anything.
    stumbled = bool(
        guesses.made_up
        and ends
        and isinstance(ends[0], WorkflowFailed)
        and not isinstance(history.events[-1], WorkflowFailed)
    )
    if stumbled:
        attempted = [each for each in attempted if not isinstance(each[1], ENDS)]
    pairs, cost = _aligned([each for _, each in recorded], [each for _, each in attempted])
    return _Attempt(attempted, pairs, cost, guesses.unknown, stumbled or (is_closed and not ends), waits_at)


def _aligned(recorded: list[DecisionEvent], attempted: list[DecisionEvent]) -> tuple[list[Pair], float]:
    """Lay both sides beside each other. Marks of patches may stand anywhere: only one that is gone has a place."""
    asked = {each.patch_id for each in attempted if isinstance(each, PatchMarked)}
    left = [
        place
        for place, each in enumerate(recorded)
        if not (isinstance(each, PatchMarked) and (each.deprecated or each.patch_id in asked))
    ]
    right = [place for place, each in enumerate(attempted) if not isinstance(each, PatchMarked)]
    pairs, cost = align([recorded[each] for each in left], [attempted[each] for each in right])
    return [(None if one is None else left[one], None if other is None else right[other]) for one, other in pairs], cost


class _Comparison:
    """Both sequences, side by side, on the way to words."""

    def __init__(self, history: History, recorded: list[tuple[int, DecisionEvent]], attempt: _Attempt) -> None:
        self.history = history
        self.recorded = recorded
        self.attempted = attempt.attempted
        self.attempt = attempt
        self.pairs = self._shortened(attempt.pairs)

    def explain(self) -> Explanation:
        """Return the divergences and the rows that show them."""
        moved = self._moved()
        kinds = [self._kind(left, right, moved) for left, right in self.pairs]
        told = [not self._follows(place, kinds) for place in range(len(kinds))]
        if any(kind and tell for kind, tell in zip(kinds, told, strict=True)):
            kinds = [kind if tell else None for kind, tell in zip(kinds, told, strict=True)]
        arrivals = set(moved.values())
        divergences = [
            self._divergence(place, kind, moved)
            for place, kind in enumerate(kinds)
            if kind is not None and not (self.pairs[place][0] is None and self.pairs[place][1] in arrivals)
        ]
        return Explanation(tuple(divergences), tuple(self._rows(kinds)))

    def _follows(self, place: int, kinds: list[Difference | None]) -> bool:
        """Say whether a decision is about a step of which a difference is told already."""
        left, right = self.pairs[place]
        decision = self.attempted[right][1] if left is None and right is not None else self.recorded[left or 0][1]
        if not isinstance(decision, _FOLLOW_UPS):
            return False
        earlier = self.pairs[:place]
        if left is None:
            steps = [self.attempted[other][1] for one, other in earlier if other is not None]
            differs = [kinds[at] for at, (_, other) in enumerate(earlier) if other is not None]
        else:
            steps = [self.recorded[one][1] for one, _ in earlier if one is not None]
            differs = [kinds[at] for at, (one, _) in enumerate(earlier) if one is not None]
        return any(
            kind is not None and _opens(each) and identity_of(each) == decision.step
            for each, kind in zip(steps, differs, strict=True)
        )

    def _shortened(self, pairs: list[Pair]) -> list[Pair]:
        """Leave out what is beyond the point to which code and history can be compared."""
        agreed = max(
            (place for place, (left, right) in enumerate(pairs) if left is not None and right is not None), default=-1
        )
        behind = pairs[agreed + 1 :]
        if not isinstance(self.history.events[-1], CLOSING):
            gone = [each for each in behind if each[1] is None]
            return [*pairs[: agreed + 1], *(behind if gone else [])]
        if self.attempt.broken_off:
            new = [each for each in behind if each[0] is None]
            return [*pairs[: agreed + 1], *(new or behind[:1])]  # what was not reached is not gone
        return pairs

    def _moved(self) -> dict[int, int]:
        """Return where recorded decisions went that stand elsewhere now."""
        places: dict[int, int] = {}
        new = [right for left, right in self.pairs if left is None and right is not None]
        for one in [left for left, right in self.pairs if right is None and left is not None]:
            if isinstance(self.recorded[one][1], _FOLLOW_UPS):
                continue
            content = content_of(self.recorded[one][1])
            other = next((each for each in new if content_of(self.attempted[each][1]) == content), None)
            if other is not None:
                new.remove(other)
                places[one] = other
        return places

    def _kind(self, left: int | None, right: int | None, moved: dict[int, int]) -> Difference | None:
        if left is not None and right is not None:
            return decide_change(self.recorded[left][1], self.attempted[right][1])
        if left is not None:
            return Difference.REORDERED if left in moved else Difference.REMOVED
        return Difference.REORDERED if right in moved.values() else Difference.INSERTED

    def _divergence(self, place: int, kind: Difference, moved: dict[int, int]) -> Divergence:
        left, right = self.pairs[place]
        following = self.pairs[place:]
        next_left = next((one for one, _ in following if one is not None), None)
        next_right = next((other for _, other in following if other is not None), None)
        if kind is Difference.REORDERED:
            recorded, attempted = self._left(next_left), self._right(next_right)
            if left is not None and recorded is not None and not recorded.where:
                recorded = Side(recorded.step, recorded.words, self.attempted[moved[left]][0].where)
        else:
            recorded, attempted = self._left(left), self._right(right)
        event_id = len(self.history.events) if next_left is None else self.recorded[next_left][0]
        where = self.attempted[next_right][0].where if next_right is not None else self.attempt.waits_at
        return Divergence(kind, event_id, recorded, attempted, where, hint_for(kind, recorded, attempted))

    def _left(self, place: int | None) -> Side | None:
        if place is None:
            return None
        event_id, decision = self.recorded[place]
        return side_of(decision, self.history.places.get(event_id, ""))

    def _right(self, place: int | None) -> Side | None:
        if place is None:
            return None
        issued, decision = self.attempted[place]
        return side_of(decision, issued.where)

    def _rows(self, kinds: list[Difference | None]) -> list[Row]:
        shown = [
            any(kinds[max(0, place - CONTEXT_ROWS) : place + CONTEXT_ROWS + 1]) for place in range(len(self.pairs))
        ]
        return [
            Row(None if left is None else self.recorded[left][0], self._left(left), self._right(right), kinds[place])
            for place, (left, right) in enumerate(self.pairs)
            if shown[place]
        ]


def _drains_before(history: History, decision: DecisionEvent) -> int:
    """Return how many inputs there are up to the one whose drain decided, which is included."""
    return sum(isinstance(each, Input) for each in history.events[: decision.cause])


def _moved(
    history: History, recorded: list[tuple[int, DecisionEvent]], attempt: _Attempt, error: DivergenceError
) -> Explanation | None:
    """Explain code that asks for the same things in the same order, at other times."""
    place = next((place for place, (event_id, _) in enumerate(recorded) if event_id == error.event_id), None)
    if place is None:
        return None
    other = next((right for left, right in attempt.pairs if left == place and right is not None), None)
    where = attempt.waits_at if other is None else attempt.attempted[other][0].where
    decision = recorded[place][1]
    left = side_of(decision, where)
    right = Side("", error.attempted, error.where)
    kind = Difference.REORDERED
    if other is not None and _drains_before(history, decision) == attempt.attempted[other][0].cause:
        # In the same drain, at another place: what came before it left no trace but its number.
        kind = Difference.REMOVED if decision.ordinal > attempt.attempted[other][1].ordinal else Difference.INSERTED
    found = Divergence(kind, error.event_id, left, right, error.where or where, hint_for(kind, left, right))
    return Explanation((found,), (Row(error.event_id, left, right, kind),))


def _as_it_was_found(error: DivergenceError) -> Explanation:
    kind = Difference(error.kind)
    left, right = Side("", error.recorded), Side("", error.attempted, error.where)
    found = Divergence(kind, error.event_id, left, right, error.where, hint_for(kind, left, right))
    return Explanation((found,), (Row(error.event_id, left, right, kind),))
