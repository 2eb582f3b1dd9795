"""The replay tester: today's code against yesterday's histories, without a store.

Owns: reading histories from files, replaying them, and saying where code departs from them.
Must not know: which application runs the code in production.

Names are imported when they are first used: a worker enters for its captures, and does not load the replayer.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from holdfast.history import History
    from holdfast.replay.captures import read_run
    from holdfast.replay.departures import explain_divergence
    from holdfast.replay.deploy_check import Checked, DeployCheck
    from holdfast.replay.loading import load_history
    from holdfast.replay.locating import locate
    from holdfast.replay.proposals import propose_changes
    from holdfast.replay.proving import Proof, Proposal, find_drifted, prove, read_drifted, repair_drift
    from holdfast.replay.redaction import redact_history
    from holdfast.replay.repairing import (
        Change,
        RunProposal,
        Stuck,
        decode_change,
        edited_input,
        find_stuck,
        read_alike,
        repair_run,
        try_change,
    )
    from holdfast.replay.replayer import WorkflowReplayer
    from holdfast.replay.result import Divergence, PayloadProblem, ReplayResult, Row, Side, Verdict

_HOMES: Final = {
    "Change": "holdfast.replay.repairing",
    "Checked": "holdfast.replay.deploy_check",
    "DeployCheck": "holdfast.replay.deploy_check",
    "Divergence": "holdfast.replay.result",
    "History": "holdfast.history",
    "PayloadProblem": "holdfast.replay.result",
    "Proof": "holdfast.replay.proving",
    "Proposal": "holdfast.replay.proving",
    "ReplayResult": "holdfast.replay.result",
    "Row": "holdfast.replay.result",
    "RunProposal": "holdfast.replay.repairing",
    "Side": "holdfast.replay.result",
    "Stuck": "holdfast.replay.repairing",
    "Verdict": "holdfast.replay.result",
    "WorkflowReplayer": "holdfast.replay.replayer",
    "decode_change": "holdfast.replay.repairing",
    "edited_input": "holdfast.replay.repairing",
    "explain_divergence": "holdfast.replay.departures",
    "find_drifted": "holdfast.replay.proving",
    "find_stuck": "holdfast.replay.repairing",
    "load_history": "holdfast.replay.loading",
    "locate": "holdfast.replay.locating",
    "propose_changes": "holdfast.replay.proposals",
    "prove": "holdfast.replay.proving",
    "read_alike": "holdfast.replay.repairing",
    "read_drifted": "holdfast.replay.proving",
    "read_run": "holdfast.replay.captures",
    "redact_history": "holdfast.replay.redaction",
    "repair_drift": "holdfast.replay.proving",
    "repair_run": "holdfast.replay.repairing",
    "try_change": "holdfast.replay.repairing",
}

__all__ = [
    "Change",
    "Checked",
    "DeployCheck",
    "Divergence",
    "History",
    "PayloadProblem",
    "Proof",
    "Proposal",
    "ReplayResult",
    "Row",
    "RunProposal",
    "Side",
    "Stuck",
    "Verdict",
    "WorkflowReplayer",
    "decode_change",
    "edited_input",
    "explain_divergence",
    "find_drifted",
    "find_stuck",
    "load_history",
    "locate",
    "propose_changes",
    "prove",
    "read_alike",
    "read_drifted",
    "read_run",
    "redact_history",
    "repair_drift",
    "repair_run",
    "try_change",
]


def __getattr__(name: str) -> Any:
    # No module here may be called like a name: importing it would take the name.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value
