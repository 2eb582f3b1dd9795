"""The replay tester: today's code against yesterday's histories, without a store.

Owns: reading histories from files, replaying them, and saying where code departs from them.
Must not know: which application runs the code in production.

Names are imported when they are first used: a worker enters for its captures, and does not load the replayer.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from holdfast.history import History
    from holdfast.replay.departures import explain_divergence
    from holdfast.replay.deploy_check import Checked, DeployCheck
    from holdfast.replay.loading import load_history
    from holdfast.replay.locating import locate
    from holdfast.replay.proving import Proof, Proposal, prove, read_drifted, repair_drift
    from holdfast.replay.replayer import WorkflowReplayer
    from holdfast.replay.result import Divergence, PayloadProblem, ReplayResult, Row, Side, Verdict

_HOMES: Final = {
    "Checked": "holdfast.replay.deploy_check",
    "DeployCheck": "holdfast.replay.deploy_check",
    "Divergence": "holdfast.replay.result",
    "History": "holdfast.history",
    "PayloadProblem": "holdfast.replay.result",
    "Proof": "holdfast.replay.proving",
    "Proposal": "holdfast.replay.proving",
    "ReplayResult": "holdfast.replay.result",
    "Row": "holdfast.replay.result",
    "Side": "holdfast.replay.result",
    "Verdict": "holdfast.replay.result",
    "WorkflowReplayer": "holdfast.replay.replayer",
    "explain_divergence": "holdfast.replay.departures",
    "load_history": "holdfast.replay.loading",
    "locate": "holdfast.replay.locating",
    "prove": "holdfast.replay.proving",
    "read_drifted": "holdfast.replay.proving",
    "repair_drift": "holdfast.replay.proving",
}

__all__ = [
    "Checked",
    "DeployCheck",
    "Divergence",
    "History",
    "PayloadProblem",
    "Proof",
    "Proposal",
    "ReplayResult",
    "Row",
    "Side",
    "Verdict",
    "WorkflowReplayer",
    "explain_divergence",
    "load_history",
    "locate",
    "prove",
    "read_drifted",
    "repair_drift",
]


def __getattr__(name: str) -> Any:
    # No module here may be called like a name: importing it would take the name.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value
