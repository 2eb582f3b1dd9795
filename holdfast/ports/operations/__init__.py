"""Everything that can be done to a store, as values.

Owns: the operations, their results, and the records a store gives back.
Must not know: SQL, files, connections.

Rule 1: a store changes only through `Store.write(operations)`, in one durable transaction.
Rule 2: each operation stands alone: one that is refused is left out and the rest commits. Its
        result is then the HoldfastError that says why, returned and not raised.
Rule 3: what has to be true together is one operation, or one that carries another: see `carrying`.
Rule 4: whoever writes as a member is checked first; a member that lost its lease writes nothing.

Times are seconds since the epoch by the store's clock. Bodies are opaque bytes to the store.
"""

from __future__ import annotations

from typing import TypeAlias

from holdfast.ports.operations.appending import (
    Append,
    ChildCancel,
    Closing,
    Continuation,
    LockRequest,
    NewChild,
    Outgoing,
    OutgoingMessage,
    QueueFanOut,
    QueueTask,
)
from holdfast.ports.operations.audit import (
    Audited,
    AuditEntry,
    AuditFilter,
    PruneAudit,
)
from holdfast.ports.operations.base import (
    Value,
)
from holdfast.ports.operations.captures import (
    MarkCaptured,
)
from holdfast.ports.operations.carrying import Carrying
from holdfast.ports.operations.changes import (
    Change,
    Changes,
    Position,
)
from holdfast.ports.operations.claiming import (
    ClaimedRun,
    ClaimRuns,
    Fit,
    ReleaseRuns,
)
from holdfast.ports.operations.contracts import (
    ContractRecord,
    KeepContract,
    NoteRetirement,
    RelearnContract,
    RetirementRecord,
)
from holdfast.ports.operations.deliveries import (
    REFUSED_DELIVERIES_MAX,
    UNDER_WAY,
    DeliveryFilter,
    DeliveryRecord,
    DeliveryState,
    NotedDelivery,
    NoteDelivery,
    PruneDeliveries,
)
from holdfast.ports.operations.drifts import (
    DriftChange,
    DriftRecord,
    ProposedMapping,
    ProposeMappings,
    ReportDrift,
    SettleDrift,
    is_proof,
)
from holdfast.ports.operations.exchanges import RecordedExchanges, RecordExchanges
from holdfast.ports.operations.fan_outs import (
    ChunkRecord,
    ChunkState,
    ClaimChunks,
    ClaimedChunk,
    FanOutRecord,
    FanOutSummary,
    ItemOutcome,
    RecordItems,
)
from holdfast.ports.operations.gatherings import (
    GATHERED_BYTES_MAX,
    GATHERED_EVENTS_MAX,
    BeginGathered,
    Begun,
    Gather,
    Gathered,
    GatheringRecord,
    GatheringState,
    HurryGathering,
    PruneGatherings,
)
from holdfast.ports.operations.hosts import (
    HostRecord,
    TellHost,
)
from holdfast.ports.operations.idempotency import (
    DoneBefore,
    DoOnce,
    PrunedKeys,
    PruneKeys,
    Settle,
    Unclaim,
)
from holdfast.ports.operations.keys import (
    KeyRecord,
    NoteUse,
    PutKey,
    RevokeKey,
    RotateKey,
)
from holdfast.ports.operations.ledger import (
    CloseEntry,
    EntryRecord,
    MarkDone,
    OpenEntry,
    RenewEntry,
)
from holdfast.ports.operations.limits import (
    FreezeRate,
    LimitHolder,
    LimitRecord,
    SetLimit,
    slack_seconds,
)
from holdfast.ports.operations.locks import (
    AcquireLease,
    BreakLock,
    LinePlace,
    LockRecord,
    ReleaseLease,
    RenewLease,
)
from holdfast.ports.operations.members import (
    Beat,
    Join,
    Leave,
    MemberRecord,
    Membership,
    Reap,
    Reaped,
)
from holdfast.ports.operations.messages import (
    Deliver,
    Delivered,
    InboxRow,
)
from holdfast.ports.operations.model_answers import KeepModelAnswer, ModelAnswer
from holdfast.ports.operations.model_calls import (
    NANO,
    Amount,
    BudgetLimit,
    BudgetRecord,
    GrantBudget,
    ModelCall,
    ModelUsage,
    ModelUsageRecord,
    ParkForBudget,
    Period,
    Reservation,
    ReserveModelCall,
    SettleModelCall,
    first_time,
)
from holdfast.ports.operations.notices import (
    DUE,
    SENT,
    UNSENT,
    WAITING,
    ClaimedNotice,
    ClaimNotices,
    NoticeRecord,
    ResendNotice,
    SettleNotice,
)
from holdfast.ports.operations.pools import (
    LimitPool,
    PausePool,
    PoolRule,
    ResumePool,
)
from holdfast.ports.operations.prefixes import (
    HELD_MAX,
    HoldPrefixes,
    NotePrefix,
    PrefixWarmth,
    WarmPrefix,
)
from holdfast.ports.operations.pruning import (
    Prune,
    Pruned,
)
from holdfast.ports.operations.requests import (
    Answer,
    Ask,
    Request,
    ReturnRequest,
    TakeRequests,
)
from holdfast.ports.operations.runs import (
    MoveAway,
    Pause,
    Resume,
    RunFilter,
    RunRecord,
    Totals,
)
from holdfast.ports.operations.schedules import (
    FOUND,
    MISSED,
    REFUSED,
    SKIPPED,
    STARTED,
    DropSchedule,
    FireNote,
    FireRecord,
    Moved,
    MoveSchedule,
    PutSchedule,
    ScheduleRecord,
    ScheduleRun,
)
from holdfast.ports.operations.secrets import (
    KeepSecret,
)
from holdfast.ports.operations.starting import (
    ALLOW_DUPLICATE,
    ALLOW_DUPLICATE_FAILED_ONLY,
    FAIL,
    ID_CONFLICT_POLICIES,
    ID_REUSE_POLICIES,
    REJECT_DUPLICATE,
    SAME_INPUT,
    TERMINATE_EXISTING,
    USE_EXISTING,
    IdPolicy,
    LeasedPlace,
    Overtaken,
    Started,
    StartNext,
    StartRun,
    StartSignal,
)
from holdfast.ports.operations.statuses import (
    CANCELLED,
    COMPLETED,
    CONTINUED_AS_NEW,
    FAILED,
    PARKED,
    PAUSED,
    RUNNING,
    TERMINAL,
    TERMINATED,
    TIMED_OUT,
)
from holdfast.ports.operations.streams import (
    BROKEN,
    CUT,
    WHOLE,
    OpenStream,
    Said,
    Say,
    StreamRecord,
)
from holdfast.ports.operations.tasks import (
    BeatTasks,
    ClaimedTask,
    ClaimTasks,
    FinishOwnTask,
    FinishTask,
    ParkForFailure,
    PoolRecord,
    QueueRecord,
    ReleaseTasks,
    RetryOwnTask,
    RetryTask,
)

Operation: TypeAlias = (
    Join
    | Carrying
    | Beat
    | Leave
    | Reap
    | StartRun
    | StartNext
    | Append
    | Deliver
    | ClaimRuns
    | ReleaseRuns
    | Fit
    | KeepSecret
    | Pause
    | MoveAway
    | Resume
    | ClaimTasks
    | FinishTask
    | FinishOwnTask
    | RetryTask
    | RetryOwnTask
    | ReleaseTasks
    | BeatTasks
    | ClaimChunks
    | RecordItems
    | AcquireLease
    | RenewLease
    | ReleaseLease
    | BreakLock
    | FreezeRate
    | SetLimit
    | TellHost
    | RecordExchanges
    | ReportDrift
    | SettleDrift
    | ProposeMappings
    | KeepContract
    | RelearnContract
    | NoteRetirement
    | ReserveModelCall
    | SettleModelCall
    | ParkForBudget
    | ParkForFailure
    | GrantBudget
    | KeepModelAnswer
    | OpenStream
    | Say
    | PausePool
    | ResumePool
    | LimitPool
    | HoldPrefixes
    | WarmPrefix
    | NotePrefix
    | OpenEntry
    | RenewEntry
    | CloseEntry
    | MarkDone
    | Ask
    | TakeRequests
    | ReturnRequest
    | Answer
    | MarkCaptured
    | DoOnce
    | Settle
    | Unclaim
    | PruneKeys
    | Audited
    | PruneAudit
    | Prune
    | ClaimNotices
    | SettleNotice
    | ResendNotice
    | NoteDelivery
    | PruneDeliveries
    | Gather
    | BeginGathered
    | HurryGathering
    | PruneGatherings
    | PutKey
    | RotateKey
    | NoteUse
    | RevokeKey
    | PutSchedule
    | MoveSchedule
    | DropSchedule
)

__all__ = [
    "ALLOW_DUPLICATE",
    "ALLOW_DUPLICATE_FAILED_ONLY",
    "BROKEN",
    "CANCELLED",
    "COMPLETED",
    "CONTINUED_AS_NEW",
    "CUT",
    "DUE",
    "FAIL",
    "FAILED",
    "FOUND",
    "GATHERED_BYTES_MAX",
    "GATHERED_EVENTS_MAX",
    "HELD_MAX",
    "ID_CONFLICT_POLICIES",
    "ID_REUSE_POLICIES",
    "MISSED",
    "NANO",
    "PARKED",
    "PAUSED",
    "REFUSED",
    "REFUSED_DELIVERIES_MAX",
    "REJECT_DUPLICATE",
    "RUNNING",
    "SAME_INPUT",
    "SENT",
    "SKIPPED",
    "STARTED",
    "TERMINAL",
    "TERMINATED",
    "TERMINATE_EXISTING",
    "TIMED_OUT",
    "UNDER_WAY",
    "UNSENT",
    "USE_EXISTING",
    "WAITING",
    "WHOLE",
    "AcquireLease",
    "Amount",
    "Answer",
    "Append",
    "Ask",
    "AuditEntry",
    "AuditFilter",
    "Audited",
    "Beat",
    "BeatTasks",
    "BeginGathered",
    "Begun",
    "BreakLock",
    "BudgetLimit",
    "BudgetRecord",
    "Carrying",
    "Change",
    "Changes",
    "ChildCancel",
    "ChunkRecord",
    "ChunkState",
    "ClaimChunks",
    "ClaimNotices",
    "ClaimRuns",
    "ClaimTasks",
    "ClaimedChunk",
    "ClaimedNotice",
    "ClaimedRun",
    "ClaimedTask",
    "CloseEntry",
    "Closing",
    "Continuation",
    "ContractRecord",
    "Deliver",
    "Delivered",
    "DeliveryFilter",
    "DeliveryRecord",
    "DeliveryState",
    "DoOnce",
    "DoneBefore",
    "DriftChange",
    "DriftRecord",
    "DropSchedule",
    "EntryRecord",
    "FanOutRecord",
    "FanOutSummary",
    "FinishOwnTask",
    "FinishTask",
    "FireNote",
    "FireRecord",
    "Fit",
    "FreezeRate",
    "Gather",
    "Gathered",
    "GatheringRecord",
    "GatheringState",
    "GrantBudget",
    "HoldPrefixes",
    "HostRecord",
    "HurryGathering",
    "IdPolicy",
    "InboxRow",
    "ItemOutcome",
    "Join",
    "KeepContract",
    "KeepModelAnswer",
    "KeepSecret",
    "KeyRecord",
    "LeasedPlace",
    "Leave",
    "LimitHolder",
    "LimitPool",
    "LimitRecord",
    "LinePlace",
    "LockRecord",
    "LockRequest",
    "MarkCaptured",
    "MarkDone",
    "MemberRecord",
    "Membership",
    "ModelAnswer",
    "ModelCall",
    "ModelUsage",
    "ModelUsageRecord",
    "MoveAway",
    "MoveSchedule",
    "Moved",
    "NewChild",
    "NoteDelivery",
    "NotePrefix",
    "NoteRetirement",
    "NoteUse",
    "NotedDelivery",
    "NoticeRecord",
    "OpenEntry",
    "OpenStream",
    "Operation",
    "Outgoing",
    "OutgoingMessage",
    "Overtaken",
    "ParkForBudget",
    "ParkForFailure",
    "Pause",
    "PausePool",
    "Period",
    "PoolRecord",
    "PoolRule",
    "Position",
    "PrefixWarmth",
    "ProposeMappings",
    "ProposedMapping",
    "Prune",
    "PruneAudit",
    "PruneDeliveries",
    "PruneGatherings",
    "PruneKeys",
    "Pruned",
    "PrunedKeys",
    "PutKey",
    "PutSchedule",
    "QueueFanOut",
    "QueueRecord",
    "QueueTask",
    "Reap",
    "Reaped",
    "RecordExchanges",
    "RecordItems",
    "RecordedExchanges",
    "RelearnContract",
    "ReleaseLease",
    "ReleaseRuns",
    "ReleaseTasks",
    "RenewEntry",
    "RenewLease",
    "ReportDrift",
    "Request",
    "ResendNotice",
    "Reservation",
    "ReserveModelCall",
    "Resume",
    "ResumePool",
    "RetirementRecord",
    "RetryOwnTask",
    "RetryTask",
    "ReturnRequest",
    "RevokeKey",
    "RotateKey",
    "RunFilter",
    "RunRecord",
    "Said",
    "Say",
    "ScheduleRecord",
    "ScheduleRun",
    "SetLimit",
    "Settle",
    "SettleDrift",
    "SettleModelCall",
    "SettleNotice",
    "StartNext",
    "StartRun",
    "StartSignal",
    "Started",
    "StreamRecord",
    "TakeRequests",
    "TellHost",
    "Totals",
    "Unclaim",
    "Value",
    "WarmPrefix",
    "first_time",
    "is_proof",
    "slack_seconds",
]
