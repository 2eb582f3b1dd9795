"""Tables that have to hold every kind of event or command."""

from __future__ import annotations

from holdfast.engine.decisions import _DECISIONS
from holdfast.engine.execution import APPLY
from holdfast.engine.outcomes import OUTCOMES
from holdfast.history import Command, DecisionEvent, InputEvent


def test_each_input_is_applied_in_one_place() -> None:
    """No kind of input is forgotten, and none is in both tables."""
    assert set(OUTCOMES) | set(APPLY) == set(InputEvent.__args__)
    assert not set(OUTCOMES) & set(APPLY)


def test_each_command_is_recorded_as_a_decision_of_its_own() -> None:
    """No command is without its fact, and no two share one."""
    assert set(_DECISIONS) == set(Command.__args__)
    assert len(DecisionEvent.__args__) == len(_DECISIONS)
