"""The replay tester: today's code against yesterday's histories, without a store.

Owns: reading histories from files, replaying them, and saying where code departs from them.
Must not know: which application runs the code in production.
"""

from holdfast.history import History
from holdfast.replay.departures import explain_divergence
from holdfast.replay.deploy_check import Checked, DeployCheck
from holdfast.replay.loading import load_history
from holdfast.replay.locating import locate
from holdfast.replay.replayer import WorkflowReplayer
from holdfast.replay.result import Divergence, PayloadProblem, ReplayResult, Row, Side, Verdict

__all__ = [
    "Checked",
    "DeployCheck",
    "Divergence",
    "History",
    "PayloadProblem",
    "ReplayResult",
    "Row",
    "Side",
    "Verdict",
    "WorkflowReplayer",
    "explain_divergence",
    "load_history",
    "locate",
]
