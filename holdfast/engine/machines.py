"""The life of every durable operation, as tables.

Owns: which step may follow which, for each kind of operation and for a whole execution.
Must not know: the loop, payloads, stores, or why a transition happened.

Rule 1: everything that decides whether a transition is legal is in this file.
Rule 2: a table is data. The docs' diagrams and the transition-coverage test read it.

An operation is ISSUED when workflow code asked for it, OPEN when its decision is
in history, and ends RESOLVED (an outcome was applied) or DROPPED (the code no
longer wants it). A child is STARTED in between, and CANCELLING from when it was
asked to stop until it has.
"""

from __future__ import annotations

from enum import IntEnum, auto
from typing import Final

from holdfast.errors import HistoryError


class State(IntEnum):
    """Where one operation is in its life."""

    ISSUED = auto()
    OPEN = auto()
    RESOLVED = auto()
    DROPPED = auto()
    STARTED = auto()
    CANCELLING = auto()


class Step(IntEnum):
    """What history says happened to one operation."""

    RECORD = auto()
    COMPLETE = auto()
    FAIL = auto()
    TIME_OUT = auto()
    CANCEL = auto()
    START = auto()


Table = dict[State, dict[Step, State]]

TASK: Final[Table] = {
    State.ISSUED: {Step.RECORD: State.OPEN, Step.CANCEL: State.DROPPED},
    State.OPEN: {
        Step.COMPLETE: State.RESOLVED,
        Step.FAIL: State.RESOLVED,
        Step.TIME_OUT: State.RESOLVED,
        Step.CANCEL: State.DROPPED,
    },
    State.RESOLVED: {},
    State.DROPPED: {},
}

TIMER: Final[Table] = {
    State.ISSUED: {Step.RECORD: State.OPEN, Step.CANCEL: State.DROPPED},
    State.OPEN: {Step.COMPLETE: State.RESOLVED, Step.CANCEL: State.DROPPED},
    State.RESOLVED: {},
    State.DROPPED: {},
}

LOCK: Final[Table] = {
    State.ISSUED: {Step.RECORD: State.OPEN, Step.CANCEL: State.DROPPED},
    State.OPEN: {Step.COMPLETE: State.RESOLVED, Step.CANCEL: State.DROPPED},
    # A held lock is given back by the same decision that leaves the queue.
    State.RESOLVED: {Step.CANCEL: State.DROPPED},
    State.DROPPED: {},
}

FAN_OUT: Final[Table] = {
    State.ISSUED: {Step.RECORD: State.OPEN, Step.CANCEL: State.DROPPED},
    State.OPEN: {Step.COMPLETE: State.RESOLVED, Step.CANCEL: State.DROPPED},
    State.RESOLVED: {},
    State.DROPPED: {},
}

SIDE_EFFECT: Final[Table] = {
    State.ISSUED: {Step.RECORD: State.OPEN, Step.CANCEL: State.DROPPED},
    State.OPEN: {Step.COMPLETE: State.RESOLVED, Step.FAIL: State.RESOLVED, Step.CANCEL: State.DROPPED},
    State.RESOLVED: {},
    State.DROPPED: {},
}

CHILD: Final[Table] = {
    State.ISSUED: {Step.RECORD: State.OPEN, Step.CANCEL: State.DROPPED},
    State.OPEN: {
        Step.START: State.STARTED,
        Step.FAIL: State.RESOLVED,  # it could not be started
        Step.CANCEL: State.CANCELLING,
    },
    State.STARTED: {Step.COMPLETE: State.RESOLVED, Step.FAIL: State.RESOLVED, Step.CANCEL: State.CANCELLING},
    # Like a task of asyncio, it is waited for until it has cleaned up.
    State.CANCELLING: {Step.START: State.CANCELLING, Step.COMPLETE: State.RESOLVED, Step.FAIL: State.RESOLVED},
    State.RESOLVED: {},
    State.DROPPED: {},
}

MESSAGE: Final[Table] = {
    State.ISSUED: {Step.RECORD: State.OPEN, Step.CANCEL: State.DROPPED},
    State.OPEN: {Step.COMPLETE: State.RESOLVED, Step.FAIL: State.RESOLVED, Step.CANCEL: State.DROPPED},
    State.RESOLVED: {},
    State.DROPPED: {},
}

PARK: Final[Table] = {
    State.ISSUED: {Step.RECORD: State.OPEN, Step.CANCEL: State.DROPPED},
    # A run that ends is parked no more, and nothing else has to be said of it.
    State.OPEN: {Step.COMPLETE: State.RESOLVED, Step.CANCEL: State.DROPPED},
    State.RESOLVED: {},
    State.DROPPED: {},
}

UPDATE: Final[Table] = {
    # An update is opened by an input, and ended by the code's decision.
    State.OPEN: {Step.COMPLETE: State.RESOLVED, Step.FAIL: State.RESOLVED},
    State.RESOLVED: {},
}

TABLES: Final[dict[str, Table]] = {
    "task": TASK,
    "timer": TIMER,
    "lock": LOCK,
    "fan-out": FAN_OUT,
    "side effect": SIDE_EFFECT,
    "park": PARK,
    "child": CHILD,
    "message to another run": MESSAGE,
    "update": UPDATE,
}


def advance(operation: str, table: Table, state: State, step: Step) -> State:
    """Return the state after `step`.

    Raises:
        HistoryError: the table has no such edge.
    """
    try:
        return table[state][step]
    except KeyError:
        legal = ", ".join(sorted(each.name for each in table.get(state, ()))) or "nothing"
        raise HistoryError(f"{operation} is {state.name}: {step.name} is illegal, {legal} is legal") from None


def diagram(name: str, table: Table) -> str:
    """Render `table` as a Mermaid state diagram, for the docs."""
    edges = [
        f"    {state.name} --> {target.name}: {step.name.lower()}"
        for state, steps in table.items()
        for step, target in steps.items()
    ]
    return "\n".join([f"stateDiagram-v2\n    %% {name}", *edges])
