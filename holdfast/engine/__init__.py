"""The engine: history in, commands out. No I/O, no clock, no entropy, no threads."""

from holdfast.engine.behaviours import CURRENT
from holdfast.engine.decisions import CLOSING_COMMANDS, Issued, decision_of
from holdfast.engine.execution import Execution
from holdfast.engine.matching import Difference, describe_decision, identity_of
from holdfast.engine.recovery import recover
from holdfast.engine.retries import decide_retry

__all__ = [
    "CLOSING_COMMANDS",
    "CURRENT",
    "Difference",
    "Execution",
    "Issued",
    "decide_retry",
    "decision_of",
    "describe_decision",
    "identity_of",
    "recover",
]
