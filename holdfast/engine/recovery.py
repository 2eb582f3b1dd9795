"""From a recorded history back to a live execution.

Owns: the walk over a history, and the check of each recorded decision against the code.
Must not know: where the history comes from, or who goes on with the execution.

Inputs are applied one at a time in history order. A decision must have been
issued by the time history reaches it: by the same drain, at the same place, with
the same content. What the code issued and history does not have is the *tail*: a
crash came before it was recorded, and it is as if it had just been issued. A
tail is only possible where it can have been in flight; each input carries the
number of commands issued before it, so a command that was inserted into an old
drain is found although nothing is missing from history.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NoReturn

from holdfast.engine import machines
from holdfast.engine.behaviours import KNOWN
from holdfast.engine.decisions import Issued, decision_of
from holdfast.engine.execution import Execution
from holdfast.engine.machines import State
from holdfast.engine.matching import Difference, decide_difference, decide_match, describe_decision
from holdfast.errors import DivergenceError, HistoryError
from holdfast.history import (
    CLOSING,
    UNASKED,
    AcquireLock,
    AnyEvent,
    CallbackOpened,
    Decision,
    DecisionEvent,
    FanOutCompleted,
    Input,
    LockGranted,
    MarkPatch,
    PatchMarked,
    ScheduleTask,
    StartFanOut,
    StartTimer,
    TaskCompleted,
    TimerFired,
    WorkflowStarted,
)

_NOTHING: Final = "nothing"
_ASKED_BY: Final[dict[type[Input], type]] = {
    TaskCompleted: ScheduleTask,
    TimerFired: StartTimer,
    LockGranted: AcquireLock,
    FanOutCompleted: StartFanOut,
}
"""What asks for an outcome that brings a value; the state tables tell the others apart."""


def recover(execution: Execution, events: Iterable[AnyEvent]) -> list[Issued]:
    """Bring a new execution to where its history ends; return the commands history does not have yet.

    Args:
        execution: has not been advanced.
        events: the whole history, from event 1.

    Raises:
        DivergenceError: the code does something else than history says it did.
        HistoryError: no execution can have written this history.
    """
    history = events if isinstance(events, list | tuple) else list(events)
    walk = _Walk(execution, history)
    execution.patches.remember(history)
    execution.runtime.callbacks = {each.step: each.url for each in history if type(each) is CallbackOpened}
    for event_id, event in enumerate(history, 1):
        if event_id == 1:
            walk.begin(event)
        elif isinstance(history[event_id - 2], CLOSING):
            raise HistoryError("history goes on after its end", f"event {event_id}")
        if isinstance(event, Input):
            walk.apply(event_id, event)
        elif isinstance(event, PatchMarked):
            walk.match_mark(event_id, event)
        elif isinstance(event, Decision):
            walk.match(event_id, event)  # type: ignore[arg-type]  # every Decision is a DecisionEvent
        elif isinstance(event, UNASKED):
            execution.evict()
    execution.patches.remember(())
    if history and isinstance(history[-1], CLOSING) and not isinstance(history[-1], UNASKED):
        walk.end(len(history))
    return list(walk.unrecorded.values())


class _Walk:
    """Where the walk over one history is."""

    def __init__(self, execution: Execution, history: Sequence[AnyEvent]) -> None:
        self.execution = execution
        self.history = history
        self.name = "?"
        self.unrecorded: dict[tuple[int, int], Issued] = {}
        self.marked: set[str] = set()

    def begin(self, event: AnyEvent) -> None:
        """Look at the first event."""
        if not isinstance(event, WorkflowStarted):
            raise HistoryError("history does not begin with WorkflowStarted", "event 1")
        if event.flags & ~int(KNOWN):
            raise HistoryError(f"the history was begun by a newer engine (behaviour flags {event.flags:#x})", "event 1")
        self.name = event.execution

    def apply(self, event_id: int, event: Input) -> None:
        """Apply an input."""
        if event_id > 1 and isinstance(event, WorkflowStarted):
            raise HistoryError("a history begins once", f"event {event_id}")
        if 0 <= event.issued != self.execution.issued:
            self._miscounted(event_id, event)
        step = getattr(event, "step", None)
        future = self.execution.open.get(step) if step is not None else None
        if future is not None and future.state is State.ISSUED:
            raise HistoryError(
                f"the outcome of {step} is recorded before the decision to ask for it", f"event {event_id}"
            )
        asked = _ASKED_BY.get(type(event))
        if future is not None and asked is not None and not isinstance(future.command, asked):
            raise HistoryError(f"{type(event).__name__} is no outcome of {step}", f"event {event_id}")
        try:
            drained = self.execution.advance(event, event_id)  # type: ignore[arg-type]  # every Input is an InputEvent
        except HistoryError as error:
            raise HistoryError(error.what, f"event {event_id}") from error
        for issued in drained:
            self.unrecorded[issued.cause, issued.ordinal] = issued

    def match(self, event_id: int, recorded: DecisionEvent) -> None:
        """Look for what a decision records among what the code has issued."""
        place = (recorded.cause, recorded.ordinal)
        issued = self.unrecorded.get(place)
        if decide_match(recorded, issued) is not None:
            self._differ(event_id, recorded, issued)
        del self.unrecorded[place]
        step = getattr(recorded, "step", None)
        future = self.execution.open.get(step) if step is not None else None
        if future is not None and future.state is State.ISSUED:
            future.state = machines.advance(future.step, future.table, future.state, machines.Step.RECORD)

    def match_mark(self, event_id: int, recorded: PatchMarked) -> None:
        """Look for the question that a mark answers. It may have moved in the code, and a deprecated one be gone."""
        patch_id = recorded.patch_id
        if patch_id in self.marked:
            raise HistoryError(f"patch {patch_id!r} is marked twice", f"event {event_id}")
        self.marked.add(patch_id)
        for place, issued in self.unrecorded.items():
            if isinstance(issued.command, MarkPatch) and issued.command.patch_id == patch_id:
                del self.unrecorded[place]
                return
        if not recorded.deprecated:
            raise DivergenceError(
                self.name,
                event_id,
                Difference.REMOVED.value,
                describe_decision(recorded),
                f"nothing: until no run has this mark, the code has to keep patched({patch_id!r}), "
                f"or deprecate_patch({patch_id!r}) where only the changed side is left",
                self.execution.where(),
            )

    def end(self, event_id: int) -> None:
        """Look for commands that history should have, now that it is over."""
        for issued in self.unrecorded.values():
            self._diverge(event_id, Difference.INSERTED, _NOTHING, issued)

    # --- How the code departed -----------------------------------------------------------------------------------

    def _differ(self, event_id: int, recorded: DecisionEvent, issued: Issued | None) -> NoReturn:
        difference = decide_difference(
            recorded,
            issued,
            # What history had before was matched, and is not among the unrecorded any more. What it has in later
            # drains tells a step that is gone from one that became another.
            recorded_later=[
                each
                for each in self.history[event_id - 1 :]
                if isinstance(each, Decision) and (each.cause, each.ordinal) > (recorded.cause, recorded.ordinal)
            ],
            attempted_later=[
                decision_of(each, 0.0)
                for place, each in self.unrecorded.items()
                if place > (recorded.cause, recorded.ordinal)
            ],
        )
        self._diverge(event_id, difference, describe_decision(recorded), issued)

    def _miscounted(self, event_id: int, event: Input) -> NoReturn:
        """Find the command that is too many, or missing, although nothing recorded so far says so."""
        recorded = {
            (each.cause, each.ordinal): each
            for each in self.history[event_id:]
            if isinstance(each, Decision) and each.cause < event_id and each.ordinal >= 0  # marks are not counted
        }
        for place, later in sorted(recorded.items(), key=lambda item: item[0]):
            issued = self.unrecorded.get(place)
            if decide_match(later, issued) is not None:
                self._differ(event_id, later, issued)
        more = self.execution.issued > event.issued
        unknown = [each for place, each in self.unrecorded.items() if place not in recorded and each.ordinal >= 0]
        extra = unknown[-1] if more and unknown else None
        raise DivergenceError(
            self.name,
            event_id,
            (Difference.INSERTED if more else Difference.REMOVED).value,
            f"{event.issued} commands before {_describe_input(event)}",
            f"{self.execution.issued} commands" + (f", {describe_decision(decision_of(extra, 0.0))}" if extra else ""),
            self._where(extra),
        )

    def _diverge(self, event_id: int, difference: Difference, recorded: str, issued: Issued | None) -> NoReturn:
        attempted = describe_decision(decision_of(issued, 0.0)) if issued is not None else _NOTHING
        raise DivergenceError(self.name, event_id, difference.value, recorded, attempted, self._where(issued))

    def _where(self, issued: Issued | None) -> str:
        return (issued.where if issued is not None else "") or self.execution.where()


def _describe_input(event: Input) -> str:
    name = getattr(event, "step", None) or getattr(event, "name", "")
    return f"{type(event).__name__} {name}".rstrip()
