"""The orchestrator: claims runs, advances them, commits what they decide, reaps dead members."""

from holdfast.orchestrator.loading import now_or_never
from holdfast.orchestrator.mail import decide_entry
from holdfast.orchestrator.orchestrator import Orchestrator, OrchestratorSettings

__all__ = ["Orchestrator", "OrchestratorSettings", "decide_entry", "now_or_never"]
