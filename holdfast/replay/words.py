"""Facts and decisions in words, and the order in which decisions are told.

Owns: the words, and the order.
Must not know: why they are said.
"""

from __future__ import annotations

from holdfast.engine import Issued, describe_decision, identity_of
from holdfast.history import AnyEvent, Decision, DecisionEvent
from holdfast.replay.result import Side


def side_of(decision: DecisionEvent, where: str) -> Side:
    """Return a decision as one side of a comparison."""
    return Side(identity_of(decision), describe_decision(decision), where)


def place_of(decided: Decision | Issued) -> tuple[int, int]:
    """Return when something was decided: the input whose drain it was, and its place in that drain."""
    return decided.cause, decided.ordinal


def say_event(event: AnyEvent) -> str:
    """Return an event in a few words, for a person."""
    if isinstance(event, Decision):
        return describe_decision(event)
    name = getattr(event, "step", "") or getattr(event, "name", "") or getattr(event, "reason", "")
    return f"{type(event).__name__} {name}".rstrip()
