"""The engine: history in, commands out. No I/O, no clock, no entropy, no threads."""

from holdfast.engine.batches import BatchedExecution
from holdfast.engine.behaviours import CURRENT
from holdfast.engine.decisions import CLOSING_COMMANDS, Issued, decision_of
from holdfast.engine.execution import Execution
from holdfast.engine.forking import ForkPlan, decide_fork, input_digest, kept_key, open_decisions
from holdfast.engine.futures import StepFuture
from holdfast.engine.grouped import GroupedExecution
from holdfast.engine.loop import WorkflowLoop
from holdfast.engine.machines import State, Table
from holdfast.engine.matching import ENDS, Difference, content_of, decide_change, describe_decision, identity_of
from holdfast.engine.messages import CUT_OFF
from holdfast.engine.recovery import recover
from holdfast.engine.retries import decide_retry
from holdfast.engine.runtime import OpenFanOut, Runtime
from holdfast.engine.steps import Made, Steps
from holdfast.engine.waits import install as install_waits

__all__ = [
    "CLOSING_COMMANDS",
    "CURRENT",
    "CUT_OFF",
    "ENDS",
    "BatchedExecution",
    "Difference",
    "Execution",
    "ForkPlan",
    "GroupedExecution",
    "Issued",
    "Made",
    "OpenFanOut",
    "Runtime",
    "State",
    "StepFuture",
    "Steps",
    "Table",
    "WorkflowLoop",
    "content_of",
    "decide_change",
    "decide_fork",
    "decide_retry",
    "decision_of",
    "describe_decision",
    "identity_of",
    "input_digest",
    "install_waits",
    "kept_key",
    "open_decisions",
    "recover",
]
