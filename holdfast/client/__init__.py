"""The client: what an application imports to start runs and talk to them. Light: no server, no store."""

from holdfast.client.auditing import audited
from holdfast.client.bulk import BULK_RUNS, BULK_RUNS_MAX, MEANT, meant
from holdfast.client.client import Fork, IdConflictPolicy, IdReusePolicy, WorkflowClient
from holdfast.client.embedded import EmbeddedEngine
from holdfast.client.forking import attributes_at
from holdfast.client.handle import ANSWER_SECONDS, RunHandle, decode_outcome
from holdfast.client.outcomes import read_outcomes
from holdfast.client.overrides import check_overrides
from holdfast.client.unserved import unserved

__all__ = [
    "ANSWER_SECONDS",
    "BULK_RUNS",
    "BULK_RUNS_MAX",
    "MEANT",
    "EmbeddedEngine",
    "Fork",
    "IdConflictPolicy",
    "IdReusePolicy",
    "RunHandle",
    "WorkflowClient",
    "attributes_at",
    "audited",
    "check_overrides",
    "decode_outcome",
    "meant",
    "read_outcomes",
    "unserved",
]
