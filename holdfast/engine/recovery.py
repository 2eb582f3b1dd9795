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

from collections.abc import Iterable
from typing import Final

from holdfast.engine.behaviours import KNOWN
from holdfast.engine.decisions import Issued, decision_of
from holdfast.engine.execution import Execution
from holdfast.engine.machines import State
from holdfast.engine.matching import Difference, decide_match, describe_decision
from holdfast.errors import DivergenceError, HistoryError
from holdfast.history import CLOSING, AnyEvent, Decision, Input, WorkflowStarted, WorkflowTerminated

_NOTHING: Final = "nothing"


def recover(execution: Execution, events: Iterable[AnyEvent]) -> list[Issued]:
    """Bring a new execution to where its history ends; return the commands history does not have yet.

    Args:
        execution: has not been advanced.
        events: the whole history, from event 1.

    Raises:
        DivergenceError: the code does something else than history says it did.
        HistoryError: no execution can have written this history.
    """
    run_id = "?"
    unrecorded: dict[tuple[int, int], Issued] = {}
    event_id = 0
    closed = False
    for event_id, event in enumerate(events, 1):
        if closed:
            raise HistoryError("history goes on after its end", f"event {event_id}")
        if event_id == 1:
            if not isinstance(event, WorkflowStarted):
                raise HistoryError("history does not begin with WorkflowStarted", "event 1")
            if event.flags & ~int(KNOWN):
                raise HistoryError(
                    f"the history was begun by a newer engine (behaviour flags {event.flags:#x})", "event 1"
                )
            run_id = event.execution
        if isinstance(event, Input):
            if 0 <= event.issued != execution.issued:
                raise _miscounted(run_id, event_id, event, execution, unrecorded)
            try:
                for issued in execution.advance(event, event_id):
                    unrecorded[issued.cause, issued.ordinal] = issued
            except HistoryError as error:
                raise DivergenceError(
                    run_id, event_id, Difference.REMOVED.value, _describe_input(event), _NOTHING, error.where
                ) from error
        elif isinstance(event, Decision):
            _match(run_id, event_id, event, execution, unrecorded)
        closed = isinstance(event, CLOSING)
        if isinstance(event, WorkflowTerminated):
            execution.evict()
    if closed and unrecorded and not isinstance(event, WorkflowTerminated):
        first = next(iter(unrecorded.values()))
        raise DivergenceError(
            run_id,
            event_id,
            Difference.INSERTED.value,
            _NOTHING,
            describe_decision(decision_of(first, 0.0)),
            first.where,
        )
    return list(unrecorded.values())


def _match(
    run_id: str,
    event_id: int,
    recorded: Decision,
    execution: Execution,
    unrecorded: dict[tuple[int, int], Issued],
) -> None:
    issued = unrecorded.pop((recorded.cause, recorded.ordinal), None)
    step = getattr(recorded, "step", None)
    elsewhere = step is not None and any(getattr(each.command, "step", None) == step for each in unrecorded.values())
    difference = decide_match(recorded, issued, elsewhere=elsewhere)  # type: ignore[arg-type]  # every Decision is a DecisionEvent
    if difference is not None:
        raise DivergenceError(
            run_id,
            event_id,
            difference.value,
            describe_decision(recorded),  # type: ignore[arg-type]
            describe_decision(decision_of(issued, recorded.time)) if issued is not None else _NOTHING,
            issued.where if issued is not None else execution.where(),
        )
    future = execution.open.get(step) if step is not None else None
    if future is not None and future.state is State.ISSUED:
        future.state = State.OPEN


def _miscounted(
    run_id: str,
    event_id: int,
    event: Input,
    execution: Execution,
    unrecorded: dict[tuple[int, int], Issued],
) -> DivergenceError:
    more = execution.issued > event.issued
    extra = next(reversed(unrecorded.values()), None) if more else None
    return DivergenceError(
        run_id,
        event_id,
        (Difference.INSERTED if more else Difference.REMOVED).value,
        f"{event.issued} commands before {_describe_input(event)}",
        f"{execution.issued} commands" + (f", {describe_decision(decision_of(extra, 0.0))}" if extra else ""),
        extra.where if extra else execution.where(),
    )


def _describe_input(event: Input) -> str:
    name = getattr(event, "step", None) or getattr(event, "name", "")
    return f"{type(event).__name__} {name}".rstrip()
