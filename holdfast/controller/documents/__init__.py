"""What the API takes and answers with, as values.

Owns: the shape of every JSON document but events and problems, and making them from a store's records.
Must not know: HTTP, how the records were found.

The OpenAPI description is made from these classes, so what it says is what is sent.
"""

from holdfast.controller.documents.base import (
    Document,
)
from holdfast.controller.documents.captures import (
    Capture,
    CapturePage,
    capture_document,
)
from holdfast.controller.documents.drifts import (
    Difference,
    Drift,
    DriftList,
    ResolvedDrift,
    drift_document,
)
from holdfast.controller.documents.explaining import (
    Explained,
    WhyNot,
    cause_document,
)
from holdfast.controller.documents.fleet import (
    BrokenLock,
    Health,
    Limit,
    LimitList,
    LimitPlace,
    Lock,
    LockList,
    LockName,
    Pool,
    PoolChange,
    PoolLimit,
    PoolList,
    Worker,
    WorkerList,
    limit_document,
    lock_document,
    pool_document,
    worker_document,
)
from holdfast.controller.documents.keys import (
    AuditEntry,
    AuditPage,
    Key,
    KeyList,
    KeyRequest,
    KeyRotation,
    NewKey,
    RotatedKey,
    audit_document,
    key_document,
)
from holdfast.controller.documents.messages import (
    Accepted,
    Answer,
    Message,
    SignalledStart,
    Taken,
)
from holdfast.controller.documents.notices import (
    Notice,
    NoticePage,
    notice_document,
)
from holdfast.controller.documents.operating import (
    Bulk,
    BulkAnswer,
    BulkFork,
    BulkForkAnswer,
    ForkAnswer,
    ForkBody,
    ForkedRun,
    Reason,
    Refused,
    Where,
)
from holdfast.controller.documents.overview import (
    Overview,
    Stretch,
)
from holdfast.controller.documents.runs import (
    STATUSES,
    HistoryPage,
    Paused,
    Run,
    RunPage,
    begun_document,
    run_document,
)
from holdfast.controller.documents.workflows import (
    Workflow,
    WorkflowList,
    WorkflowSummary,
)

__all__ = [
    "STATUSES",
    "Accepted",
    "Answer",
    "AuditEntry",
    "AuditPage",
    "BrokenLock",
    "Bulk",
    "BulkAnswer",
    "BulkFork",
    "BulkForkAnswer",
    "Capture",
    "CapturePage",
    "Difference",
    "Document",
    "Drift",
    "DriftList",
    "Explained",
    "ForkAnswer",
    "ForkBody",
    "ForkedRun",
    "Health",
    "HistoryPage",
    "Key",
    "KeyList",
    "KeyRequest",
    "KeyRotation",
    "Limit",
    "LimitList",
    "LimitPlace",
    "Lock",
    "LockList",
    "LockName",
    "Message",
    "NewKey",
    "Notice",
    "NoticePage",
    "Overview",
    "Paused",
    "Pool",
    "PoolChange",
    "PoolLimit",
    "PoolList",
    "Reason",
    "Refused",
    "ResolvedDrift",
    "RotatedKey",
    "Run",
    "RunPage",
    "SignalledStart",
    "Stretch",
    "Taken",
    "Where",
    "WhyNot",
    "Worker",
    "WorkerList",
    "Workflow",
    "WorkflowList",
    "WorkflowSummary",
    "audit_document",
    "begun_document",
    "capture_document",
    "cause_document",
    "drift_document",
    "key_document",
    "limit_document",
    "lock_document",
    "notice_document",
    "pool_document",
    "run_document",
    "worker_document",
]
