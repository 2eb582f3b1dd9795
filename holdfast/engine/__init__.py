"""The engine: history in, commands out. No I/O, no clock, no entropy, no threads."""

from holdfast.engine.behaviours import CURRENT
from holdfast.engine.decisions import Issued, decision_of
from holdfast.engine.execution import Execution
from holdfast.engine.recovery import recover
from holdfast.engine.retries import decide_retry

__all__ = ["CURRENT", "Execution", "Issued", "decide_retry", "decision_of", "recover"]
