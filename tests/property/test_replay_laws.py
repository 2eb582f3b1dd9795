"""The laws of replay, for arbitrary programs to which arbitrary things happen."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from holdfast.engine.decisions import Issued
from holdfast.engine.execution import Execution
from holdfast.engine.matching import Difference
from holdfast.errors import DivergenceError, HistoryError, ReadOnlyError
from holdfast.history import (
    CLOSING,
    AnyEvent,
    Decision,
    Input,
    InputEvent,
    TaskCompleted,
    TaskScheduled,
    TimerStarted,
    WorkflowCompleted,
    WorkflowFailed,
)
from tests.acts import Play, Program
from tests.director import direct
from tests.property.plays import happenings, programs
from tests.rehearsal import Rehearsal, inputs_of, say

Make = Callable[..., Rehearsal]

plays = st.tuples(programs, happenings)


def told(issued: Sequence[Issued]) -> list[tuple[int, int, str]]:
    """Return commands with their cause and place, in words that tell every one from every other."""
    return sorted((each.cause, each.ordinal, f"{say(each)} {each.command!r}") for each in issued)


def expected_tail(stage: Rehearsal, length: int) -> list[tuple[int, int, str]]:
    """Return what a run had asked for, and not yet recorded, when its history was `length` events long."""
    recorded = {(each.cause, each.ordinal) for each in stage.history[:length] if isinstance(each, Decision)}
    return told([each for each in stage.issued if each.cause <= length and (each.cause, each.ordinal) not in recorded])


def some(numbers: Sequence[int], count: int, limit: int) -> list[int]:
    """Return up to `count` different numbers below `limit`, by the numbers that decided what happened."""
    return sorted({number % limit for number in [*numbers, 0, limit - 1][-count:]}) if limit else []


# --- The laws ----------------------------------------------------------------------------------------------------
# Each takes a play and the owner who records it, and raises when it is broken.


def law_replay_repeats(program: Program, numbers: Sequence[int], make: Make) -> None:
    """replay(h) emits exactly the recorded commands."""
    stage = make(program, numbers)
    execution, tail = stage.recover()
    assert tail == []
    assert execution.closed
    assert execution.issued == stage.execution.issued
    execution.evict()
    again = stage.another()
    issued: list[Issued] = []
    for event_id, event in enumerate(stage.history, 1):
        if isinstance(event, Input):
            issued += again.advance(event, event_id)  # type: ignore[arg-type]
    again.evict()
    assert told(issued) == told(stage.issued)


def law_prefixes_replay(program: Program, numbers: Sequence[int], make: Make) -> None:
    """Every prefix of h replays; what it lacks is its tail."""
    stage = make(program, numbers)
    for length in [each + 1 for each in some(numbers, 8, len(stage.history))]:
        execution, tail = stage.recover(stage.history[:length])
        execution.evict()
        assert told(tail) == expected_tail(stage, length)


def law_going_on_is_having_gone_on(program: Program, numbers: Sequence[int], make: Make) -> None:
    """advance(h + e) == advance(h) then e, and so on to the end."""
    stage = make(program, numbers)
    for length in some(numbers, 4, len(stage.history)):
        if length == 0:
            continue
        execution, tail = stage.recover(stage.history[:length])
        issued = [each for each in stage.issued if each.cause <= length]
        for event_id, event in enumerate(stage.history[length:], length + 1):
            if isinstance(event, Input):
                issued += execution.advance(event, event_id)  # type: ignore[arg-type]
        execution.evict()
        assert told(issued) == told(stage.issued)
        del tail


def law_twice_is_once(program: Program, numbers: Sequence[int], make: Make) -> None:
    """Replaying twice equals once, and leaves the history as it was."""
    stage = make(program, numbers)
    before = copy.deepcopy(stage.history)
    seen = []
    for _ in range(2):
        execution, tail = stage.recover()
        seen.append((told(tail), execution.issued, execution.closed, execution.query("log", b"null")))
        execution.evict()
    assert seen[0] == seen[1]
    assert stage.history == before
    assert stage.execution.query("log", b"null") == seen[0][3]


def law_crashes_change_nothing(program: Program, numbers: Sequence[int], make: Make) -> None:
    """Recover to the same history after a crash after any page, applied or not."""
    stage = make(program, numbers)
    pages = len(stage.boundaries) - 2
    chosen = some(numbers, 5, pages)
    crashes = [page + 1 if index % 2 else -page - 1 for index, page in enumerate(chosen)]
    again = make(program, numbers, crashes=crashes)
    assert again.history == stage.history
    assert again.boundaries == stage.boundaries


def law_batches_change_nothing(program: Program, numbers: Sequence[int], make: Make) -> None:
    """Batching inputs into pages changes what is written together, never what the code asks for."""
    stage = make(program, numbers)
    inputs = inputs_of(stage.history)[1:]
    for size in {1, 2, max(1, len(inputs))}:
        other = type(stage)(stage.program, make=stage.make)
        other.outcomes = stage.outcomes
        other.begin()
        try:
            for start in range(0, len(inputs), size):
                other.page(*copy.deepcopy(inputs[start : start + size]))
            assert [repr(each.command) for each in other.issued] == [repr(each.command) for each in stage.issued]
        finally:
            other.end()


def law_questions_change_nothing(program: Program, numbers: Sequence[int], make: Make) -> None:
    """Leave no trace of queries and validators between drains, also of those that are refused."""

    def ask(stage: Rehearsal) -> None:
        stage.execution.query("log", b"null")
        stage.execution.validate("add", b'"x"')
        with contextlib.suppress(ReadOnlyError):
            stage.execution.query("meddle", b'"x"')

    asked = make(program, numbers, asks=ask)
    assert not asked.execution.tainted
    assert asked.history == make(program, numbers).history


LAWS = [
    law_replay_repeats,
    law_prefixes_replay,
    law_going_on_is_having_gone_on,
    law_twice_is_once,
    law_crashes_change_nothing,
    law_batches_change_nothing,
    law_questions_change_nothing,
]


class Stages:
    """Makes recorded plays, and takes them out of memory."""

    def __init__(self, **options: Any) -> None:
        self.made: list[Rehearsal] = []
        self.options = options

    def __call__(self, program: Program, numbers: Sequence[int], **options: Any) -> Rehearsal:
        """Record a play."""
        stage = direct(Play(program), numbers, **self.options, **options)
        self.made.append(stage)
        return stage

    def end(self) -> None:
        """End all that were made."""
        for each in self.made:
            each.end()


@pytest.mark.parametrize("law", LAWS, ids=[each.__name__ for each in LAWS])
@settings(max_examples=120)
@given(play=plays)
def test_law(law: Callable[..., None], play: tuple[Program, list[int]]) -> None:
    """Each law holds."""
    stages = Stages()
    try:
        law(*play, stages)
    finally:
        stages.end()


# --- Edits -------------------------------------------------------------------------------------------------------


def edits_of(history: Sequence[AnyEvent], index: int) -> list[tuple[str, list[AnyEvent]]]:
    """Return every edit of the event at `index`, by name."""
    event = history[index]
    before, after = list(history[:index]), list(history[index + 1 :])
    edits: list[tuple[str, list[AnyEvent]]] = [
        ("drop", [*before, *after]),
        ("duplicate", [*before, event, copy.copy(event), *after]),
    ]
    if after:
        edits.append(("swap", [*before, after[0], event, *after[1:]]))
    for name, changes in _alterations(event):
        edits.append((name, [*before, msgspec.structs.replace(event, **changes), *after]))
    return edits


def _alterations(event: AnyEvent) -> list[tuple[str, dict[str, Any]]]:
    match event:
        case TaskScheduled():
            return [
                ("alter", {"input": b'"altered"'}),
                ("alter", {"task": "other", "step": event.step.replace(event.task, "other", 1)}),
                ("alter", {"ordinal": event.ordinal + 50}),
                ("alter", {"cause": event.cause + 1}),
            ]
        case TimerStarted():
            return [("alter", {"seconds": event.seconds + 1}), ("alter", {"due": event.due + 1})]
        case WorkflowCompleted():
            return [("alter", {"result": b'"altered"'})]
        case WorkflowFailed():
            return [("alter", {"failure": msgspec.structs.replace(event.failure, type="AlteredError")})]
        case TaskCompleted():
            return [("alter result", {"result": b'"altered"'})]
        case Decision() if hasattr(event, "step"):
            return [("alter", {"step": event.step + "0"})]
        case _:
            return []


def has_to_be_noticed(history: Sequence[AnyEvent], index: int, edit: str) -> bool:
    """Say whether no execution can have written a history after an edit of the event at `index`.

    Ids are positions, and decisions name their cause by its id: whatever moves a cause is noticed at its decisions.
    """
    event, event_id = history[index], index + 1
    later = [each for each in history[index + 1 :] if isinstance(each, Decision)]
    is_closing = isinstance(event, CLOSING)
    match edit:
        case "alter":
            return True
        case "alter result":
            closing = history[-1]
            assert isinstance(event, TaskCompleted)
            return isinstance(closing, WorkflowCompleted) and event.result in closing.result
        case "drop" if isinstance(event, Decision):
            return not is_closing  # without its end a history is not over, and its end is the tail
        case "drop":
            return any(each.cause >= event_id for each in later)
        case "duplicate" if isinstance(event, Decision):
            return True
        case "duplicate":
            closing = history[-1]
            # What came in after the drain that ended the run is nobody's to read.
            is_read = not (isinstance(closing, CLOSING) and isinstance(closing, Decision) and closing.cause < event_id)
            is_outcome = (hasattr(event, "step") and is_read) or event_id == 1
            return is_outcome or any(each.cause > event_id for each in later)
        case "swap":
            other = history[index + 1]
            if isinstance(event, Input) and isinstance(other, Decision):
                return isinstance(other, CLOSING) or any(each.cause == event_id for each in later)
            if isinstance(event, Decision) and isinstance(other, Input):
                return any(each.cause == event_id + 1 for each in later)
            return isinstance(other, CLOSING)
        case _:
            raise AssertionError(edit)


@settings(max_examples=150)
@given(play=plays, data=st.data())
def test_an_edited_history_diverges_at_the_edit(play: tuple[Program, list[int]], data: st.DataObject) -> None:
    """Never before it; at it, when a decision was altered or repeated; and always when nobody can have written it."""
    stages = Stages()
    try:
        stage = stages(*play)
        index = data.draw(st.integers(0, len(stage.history) - 1), "event")
        edit, edited = data.draw(st.sampled_from(edits_of(stage.history, index)), "edit")
        at, error = _replay_edited(stage, edited)
        if has_to_be_noticed(stage.history, index, edit):
            assert error is not None, f"{edit} of event {index + 1} was not noticed"
        if error is None:
            return
        assert index + 1 <= at <= len(edited) + 1
        event = stage.history[index]
        if edit == "alter":
            assert isinstance(error, DivergenceError)
            assert at == index + 1
            if isinstance(event, TimerStarted):
                # Where a later timer lasts as long as this one did, the code may as well have left this one out.
                others = {each.seconds for each in stage.history[index + 1 :] if isinstance(each, TimerStarted)}
                wanted = {Difference.DURATION_CHANGED, *([Difference.REMOVED] if event.seconds in others else [])}
                assert error.kind in wanted
            if isinstance(event, WorkflowCompleted | WorkflowFailed):
                assert error.kind == Difference.RESULT_CHANGED
        if edit == "duplicate" and isinstance(event, Decision):
            assert at == index + 2
    finally:
        stages.end()


def _replay_edited(stage: Rehearsal, edited: Sequence[AnyEvent]) -> tuple[int, DivergenceError | HistoryError | None]:
    try:
        execution, _ = stage.recover(edited)
    except DivergenceError as error:
        return error.event_id, error
    except HistoryError as error:
        return int(error.where.removeprefix("event ")), error
    execution.evict()
    return 0, None


# --- The laws can fail -------------------------------------------------------------------------------------------


class Hasty(Execution):
    """An execution that can be told to apply an input without draining: the turn rule, removed."""

    holds = False

    def _turn(self) -> None:
        if not self.holds:
            super()._turn()


class HastyRehearsal(Rehearsal):
    """An owner who applies all inputs of a page before one drain."""

    def apply(self, inputs: Sequence[InputEvent]) -> list[str]:
        """Apply a page at once."""
        words: list[str] = []
        for index, event in enumerate(inputs):
            execution = self.execution
            assert isinstance(execution, Hasty)
            execution.holds = index < len(inputs) - 1
            try:
                drained = execution.advance(event, len(self.history) - len(inputs) + 1 + index)
            finally:
                execution.holds = False
            self.unrecorded += drained
            self.issued += drained
            words += map(say, drained)
        return words


def is_broken(law: Callable[..., None], play: tuple[Program, list[int]], **options: Any) -> bool:
    """Say whether a play breaks a law."""
    stages = Stages(**options)
    try:
        law(*play, stages)
    except (AssertionError, DivergenceError, HistoryError):
        return True
    finally:
        stages.end()
    return False


SEARCH = settings(
    max_examples=400,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize(
    "law", [law_replay_repeats, law_prefixes_replay, law_crashes_change_nothing, law_batches_change_nothing]
)
def test_without_the_turn_rule_laws_fail(law: Callable[..., None]) -> None:
    """Draining two inputs of a page together breaks the laws; so these tests can tell."""
    program, _ = find(plays, lambda play: is_broken(law, play, make=Hasty, rehearsal=HastyRehearsal), settings=SEARCH)
    assert program


class Forgetful(Execution):
    """An execution whose time is not the input's: a planted source of nondeterminism."""

    drains = 0

    def advance(self, event: InputEvent, event_id: int) -> list[Issued]:
        """Let time depend on what the process did before."""
        Forgetful.drains += 1
        return super().advance(msgspec.structs.replace(event, time=event.time + Forgetful.drains), event_id)


def test_with_another_clock_the_laws_fail() -> None:
    """Time that does not come from history is noticed, too."""
    find(plays, lambda play: is_broken(law_replay_repeats, play, make=Forgetful), settings=SEARCH)
