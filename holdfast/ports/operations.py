"""Everything that can be done to a store, as values.

Owns: the operations, their results, and the records a store gives back.
Must not know: SQL, files, connections.

Rule 1: a store changes only through `Store.write(operations)`, in one durable transaction.
Rule 2: each operation stands alone: one that is refused is left out and the rest commits. Its
        result is then the HoldfastError that says why, returned and not raised.
Rule 3: whoever writes as a member is checked first; a member that lost its lease writes nothing.

Times are seconds since the epoch by the store's clock. Bodies are opaque bytes to the store.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from holdfast.history import Page

# --- Statuses ----------------------------------------------------------------------------------------------------

RUNNING = "RUNNING"
PARKED = "PARKED"
PAUSED = "PAUSED"
COMPLETED = "COMPLETED"
FAILED = "FAILED"
CANCELLED = "CANCELLED"
TERMINATED = "TERMINATED"
TIMED_OUT = "TIMED_OUT"
CONTINUED_AS_NEW = "CONTINUED_AS_NEW"
TERMINAL = frozenset({COMPLETED, FAILED, CANCELLED, TERMINATED, TIMED_OUT, CONTINUED_AS_NEW})


class Value(msgspec.Struct, frozen=True, gc=False):
    """Base of operations and records."""


# --- Members -----------------------------------------------------------------------------------------------------


class Membership(Value, frozen=True):
    """Proof of who writes: a member's number and the epoch of its lease."""

    member: int
    epoch: int


class Join(Value, frozen=True):
    """Become a member for `lease_seconds` from now. Result: Membership. Member numbers are never reused."""

    name: str
    kind: str
    """`controller`, `orchestrator`, `worker` or `stack` (all three)."""
    host: str
    pid: int
    lease_seconds: float
    workflows: tuple[str, ...] = ()
    pools: tuple[tuple[str, int], ...] = ()
    """(pool, slots) pairs that the member serves."""
    first_seconds: float = 0.0
    """The first lease lasts at least this long: what will renew it is a process that has to start."""


class Beat(Value, frozen=True):
    """Renew a lease. Result: True, or FencedError when it was lost before."""

    membership: Membership
    lease_seconds: float
    state: str = "alive"
    """`alive`, or `blocked at file.py:line`, as the one who beats sees it."""


class Leave(Value, frozen=True):
    """Give up a lease in good order: owned runs and claimed tasks become claimable at once. Result: True."""

    membership: Membership


class Reap(Value, frozen=True):
    """End the leases that expired, free what their members held; end runs whose time is up and that nobody owns.

    Result: Reaped.

    Runs become ready with `recoveries` + 1, queue rows and chunks become claimable with `recoveries` + 1; one whose
    count would pass `recoveries_max` is parked instead (a run: status PARKED with the reason; a queue row: finished
    with a final failure through the inbox of its run; a chunk: its run parked).
    """

    recoveries_max: int


class Reaped(Value, frozen=True):
    """What a reap found."""

    members: tuple[str, ...] = ()
    """Names of the members that were declared dead."""
    runs: int = 0
    tasks: int = 0
    parked: tuple[str, ...] = ()
    """Run ids parked as poison."""


# --- Runs --------------------------------------------------------------------------------------------------------


class LeasedPlace(Value, frozen=True):
    """A lock held by a lease that an execution is to hold from now on, as what its `step` acquired."""

    name: str
    holder: str
    token: int
    step: str


class StartRun(Value, frozen=True):
    """Create the first execution of a run, or find the run that has this id already. Result: Started.

    Refused with RunConflictError when the id exists with another workflow or input digest; with LockLost when one of
    `places` is not held any more; with HistoryError when outcomes of one of `fan_outs` were pruned.
    """

    run_id: str
    workflow: str
    input_digest: bytes
    page: Page
    """Holds the WorkflowStarted event."""
    blobs: tuple[tuple[bytes, bytes], ...] = ()
    own: bool = False
    """The writing member owns the new execution at once, instead of leaving it to be claimed."""
    code_version: str = ""
    pin: str = ""
    """The only code version that may have the run; '' is any."""
    deadline: float = 0.0
    """When the execution is timed out; 0 is never. Its owner does it by itself, a reap does it where there is none."""
    places: tuple[LeasedPlace, ...] = ()
    """Held leases that become the execution's own: of a fork, whose history says that it holds them."""
    fan_outs: tuple[int, ...] = ()
    """Ended fan-outs of another execution whose outcomes are the new one's, too."""
    attributes: tuple[tuple[str, str], ...] = ()
    """(name, literal) pairs that the run is found by, each name once. They go along when the run goes on."""
    memo: bytes = b""
    """Encoded memo; the client's business. It goes along when the run goes on."""


SAME_INPUT = "same_input"
"""The policy without which a start is its own idempotency key: the same work is the same run, other work is refused."""
ALLOW_DUPLICATE = "allow_duplicate"
ALLOW_DUPLICATE_FAILED_ONLY = "allow_duplicate_failed_only"
REJECT_DUPLICATE = "reject_duplicate"
FAIL = "fail"
USE_EXISTING = "use_existing"
TERMINATE_EXISTING = "terminate_existing"
ID_REUSE_POLICIES = (SAME_INPUT, ALLOW_DUPLICATE, ALLOW_DUPLICATE_FAILED_ONLY, REJECT_DUPLICATE)
"""What a start may ask for when the newest execution of its id has ended."""
ID_CONFLICT_POLICIES = (SAME_INPUT, FAIL, USE_EXISTING, TERMINATE_EXISTING)
"""What a start may ask for when the newest execution of its id is open."""


class IdPolicy(Value, frozen=True):
    """What a start does when there is a run with its id."""

    reuse: str = SAME_INPUT
    """One of ID_REUSE_POLICIES: the run has ended."""
    conflict: str = SAME_INPUT
    """One of ID_CONFLICT_POLICIES: the run is open."""


class StartSignal(Value, frozen=True):
    """A signal to the run that a start makes or finds."""

    name: str
    body: bytes
    operation_id: str


class StartNext(StartRun, frozen=True):
    """Create the next execution of a run, or find the run that has this id, as `policy` says.

    Result: Started, or Overtaken. Refused with RunConflictError. `own`, `places` and `fan_outs` are not looked at: the
    execution is ready to be claimed. One that is terminated to make place ends in the same transaction, whoever owns
    it; its owner finds a `taken` message.
    """

    number: int = 1
    """Which execution of the run `page` is the beginning of."""
    policy: IdPolicy = IdPolicy()
    signal: StartSignal | None = None
    """Goes into the inbox of the execution that is created or found; one that has ended refuses it with RunClosedError.
    An execution that had this `operation_id` before is found, whatever `policy` says."""


class Overtaken(Value, frozen=True):
    """Nothing was done: an execution is to be created, but it would be another one than the page was made for."""

    number: int
    """Which one it would be."""


class Started(Value, frozen=True):
    """A run that exists now. `created` is False when it did before."""

    execution_id: int
    execution: str
    created: bool
    status: str = RUNNING


class QueueTask(Value, frozen=True):
    """A task put where workers claim it, as part of an Append."""

    step: str
    task: str
    input: bytes
    pool: str
    priority: int
    options: bytes
    """Encoded TaskOptions; the worker's business."""
    attempt: int = 1
    """Number of the next attempt, or of the one under way when `own`."""
    visible_at: float = 0.0
    queued_at: float = 0.0
    failures: bytes = b""
    """Encoded failed attempts so far; the worker's business."""
    own: bool = False
    """The writing member is already running it."""
    progress: bytes = b""
    """What the attempt before reported last; empty leaves what is there."""


class QueueFanOut(Value, frozen=True):
    """The items of a `map_tasks`, cut into chunks that workers claim, as part of an Append."""

    step: str
    task: str
    pool: str
    priority: int
    options: bytes
    failures_max: int
    items: tuple[bytes, ...]
    chunk_items: int
    """How many items one chunk holds."""


class LockRequest(Value, frozen=True):
    """A place in the queue for a lock, as part of an Append. A grant arrives in the execution's inbox."""

    step: str
    name: str
    slots: int


class NewChild(Value, frozen=True):
    """A child that begins, as part of an Append.

    The child becomes a run of its own, ready to be claimed, or is found: a run with this id, workflow and input digest
    is the child, open or ended. The parent's inbox gets a `child_started`, and when the child ends a `child` message;
    or, when the id belongs to other work, a `child_refused` message.
    """

    step: str
    run_id: str
    workflow: str
    input_digest: bytes
    page: Page
    """Holds the child's WorkflowStarted event."""
    parent_close: str
    """What becomes of the child when its parent ends: `terminate`, `cancel` or `abandon`."""
    blobs: tuple[tuple[bytes, bytes], ...] = ()
    code_version: str = ""
    deadline: float = 0.0
    """When the child times out, unless it is found; 0 is never."""


class ChildCancel(Value, frozen=True):
    """A request that a child stops, as part of an Append of its parent. One that has ended, or was asked, is let be."""

    step: str
    reason: str


class OutgoingMessage(Value, frozen=True):
    """A message to another run, as part of an Append.

    It goes into the inbox of that run's newest execution; the sender's inbox gets a `sent` message named `step`, with
    an encoded answer (`holdfast.ports.answers`): empty, or RunNotFoundError or RunClosedError.
    """

    step: str
    run_id: str
    kind: str
    """`signal` or `cancel`."""
    name: str
    body: bytes
    operation_id: str
    sender: str


class Outgoing(Value, frozen=True):
    """What an execution does to other runs, as part of an Append, in this order."""

    children: tuple[NewChild, ...] = ()
    stop: tuple[ChildCancel, ...] = ()
    messages: tuple[OutgoingMessage, ...] = ()


class Continuation(Value, frozen=True):
    """The execution as which a run goes on, as part of the Append that closes the one before.

    Unread messages and unanswered requests move to it, and so do attributes, the memo, children and whoever waits for
    the run's end.
    """

    number: int
    page: Page
    """Holds its WorkflowStarted event, and the messages that the execution before it did not take."""
    blobs: tuple[tuple[bytes, bytes], ...] = ()
    code_version: str = ""
    deadline: float = 0.0
    """As of `StartRun`."""


class Closing(Value, frozen=True):
    """The end of an execution, as part of the Append of its last event."""

    status: str
    outcome: bytes
    """Encoded `holdfast.client.Outcome`; the client's business."""
    continuation: Continuation | None = None
    """Given when the status is CONTINUED_AS_NEW."""


class Append(Value, frozen=True):
    """Add a page to an owned execution, with everything that has to be true together with it. Result: True.

    Refused with FencedError when the execution is not owned by the writing member, or its last event is not
    `page.first - 1`; refused with InboxUnreadError when it closes and the inbox holds rows above `inbox_read`.

    The store drops all queue rows, chunks, lock places and inbox rows of an execution that closes, and grants the
    locks it held to the next in line. Whoever has it as a child gets a `child` message with its outcome; its own
    children are ended as `parent_close` says (one that was CANCELLED cancels what it would terminate). One that closes
    with a continuation is followed by it instead, and its unread messages refuse nothing.
    """

    execution_id: int
    page: Page | None
    """None changes the rest without adding events."""
    blobs: tuple[tuple[bytes, bytes], ...] = ()
    closing: Closing | None = None
    inbox_read: int = 0
    """Inbox rows of this execution up to this id are in history now and are deleted; 0 deletes none."""
    wake_at: float | None = None
    """When the execution's next timer is due; None is never. Only stored when `wake_changed`."""
    wake_changed: bool = False
    queue: tuple[QueueTask, ...] = ()
    unqueue: tuple[str, ...] = ()
    """Steps whose queue rows and chunks are no longer wanted."""
    fan_outs: tuple[QueueFanOut, ...] = ()
    lock: tuple[LockRequest, ...] = ()
    unlock: tuple[str, ...] = ()
    """Steps whose place in a lock's queue, or hold, ends."""
    stable: bool = False
    """The execution got somewhere since it was claimed: its `recoveries` go back to 0."""
    park: str = ""
    """Reason to park the execution; it is released. A parked run is not claimed until `Resume`."""
    misfit: str = ""
    """With `park`: the code version that the history does not fit. Another one lets the run go on, see `Fit`."""
    outgoing: Outgoing | None = None


class KeepSecret(Value, frozen=True):
    """Store a secret, unless there is one of this name. Result: the one there is."""

    name: str
    value: bytes


class Deliver(Value, frozen=True):
    """Put a message into the inbox of a run's newest execution. Result: Delivered.

    Refused with RunNotFoundError or RunClosedError. The same `operation_id` twice for one execution is one message.

    A `terminate` ends an execution that nobody owns in the same transaction, whatever its status: no code of it is
    needed for that. Told to an owner that gives the execution up or dies before it acts on it, it does so then.
    A `cancel` makes a parked execution claimable, with the recoveries it had: its code has to see it. When it is parked
    again the message stays.
    """

    run_id: str
    kind: str
    """`signal`, `cancel` or `terminate`; the store itself writes `outcome`, `lock`, `fan_out`, `resume`, `taken`,
    `sent`, `child_started`, `child_refused` and `child`."""
    name: str
    body: bytes
    operation_id: str
    sender: str = ""
    once: bool = False
    """A second delivery under this operation id is refused with CallbackError, instead of being the same message."""


class Delivered(Value, frozen=True):
    """A message that will reach its run."""

    execution_id: int
    inbox_id: int
    owner: int | None
    """Number of the member that owns the execution now."""
    run_id: str = ""


class ClaimRuns(Value, frozen=True):
    """Own executions nobody owns that are ready: new, freed, with mail or a timer due. Result: tuple[ClaimedRun]."""

    workflows: tuple[str, ...]
    limit: int
    versions: tuple[str, ...] = ()
    """The code version of each workflow; '' and none at all are any. A run that is pinned to another one, or that does
    not fit this one, is not claimed."""
    pins: tuple[str, ...] = ()
    """Of these workflows a run that is not pinned is pinned to the version that claims it first."""


class Fit(Value, frozen=True):
    """Let runs go on that are parked because of other code versions than this one. Result: number of runs."""

    workflow: str
    version: str


class ClaimedRun(Value, frozen=True):
    """An execution the writing member owns from now on."""

    execution_id: int
    run_id: str
    execution: str
    workflow: str
    recoveries: int


class ReleaseRuns(Value, frozen=True):
    """Disown executions in good order (eviction). Those with unread mail are ready at once. Result: number released.

    Naming one that was taken from the member says that the member knows now.
    """

    execution_ids: tuple[int, ...]
    ready: bool = False
    """All of them are ready at once: they do not wait for anything, or nobody knows for what."""


class Pause(Value, frozen=True):
    """Keep a run from moving until `Resume`. Result: True, also when it was paused before, whose words then stand.

    Refused with RunNotFoundError or RunClosedError. From this transaction on nobody owns it, its timers wake nobody,
    and what is queued for it is not claimed; what is claimed may end, and waits in its inbox. The member that owned it
    finds a `taken` message in its inbox, until it releases the execution.
    """

    run_id: str
    by: str
    """Who wants it."""
    reason: str = ""


class Resume(Value, frozen=True):
    """Make a parked or paused run claimable again, its `recoveries` at 0. Result: True.

    Refused with RunNotFoundError, RunClosedError, or RunStateError when it is neither.

    The run gets a message of kind `resume`, for code that had parked it.
    """

    run_id: str


# --- Queued tasks ------------------------------------------------------------------------------------------------


class ClaimTasks(Value, frozen=True):
    """Claim queue rows, highest priority and oldest first. Result: tuple[ClaimedTask]."""

    pools: tuple[tuple[str, int], ...]
    """(pool, how many at most) pairs."""
    tasks: tuple[str, ...]
    """Names of the tasks the member knows."""


class ClaimedTask(Value, frozen=True):
    """One attempt the writing member is to make."""

    task_id: int
    execution_id: int
    run_id: str
    execution: str
    step: str
    task: str
    input: bytes
    pool: str
    options: bytes
    attempt: int
    queued_at: float
    failures: bytes
    progress: bytes
    """What the previous attempt reported last; empty for none."""
    token: int
    """Fencing token of this claim."""
    recoveries: int = 0


class FinishTask(Value, frozen=True):
    """Hand in a final outcome: the queue row goes, `body` goes to the run's inbox. Result: True or FencedError."""

    task_id: int
    token: int
    body: bytes
    """An encoded input event."""
    execution_id: int = 0
    step: str = ""
    """Whose outcome it is, as the claim said: a body that is encrypted is so for its place."""


class FinishOwnTask(Value, frozen=True):
    """As FinishTask, for a row queued with `own`: it is named by execution and step. Result: True or FencedError."""

    execution_id: int
    step: str
    attempt: int
    body: bytes


class RetryOwnTask(Value, frozen=True):
    """As RetryTask, for a row queued with `own`. Result: True or FencedError."""

    execution_id: int
    step: str
    attempt: int
    visible_at: float
    failures: bytes
    progress: bytes = b""
    """What the attempt reported last; empty for nothing."""


class RetryTask(Value, frozen=True):
    """Hand in a failed attempt that is to be tried again at `visible_at`. Result: True or FencedError."""

    task_id: int
    token: int
    visible_at: float
    failures: bytes
    """Encoded failed attempts so far, this one included."""
    execution_id: int = 0
    step: str = ""
    """As in FinishTask."""
    tried: bool = True
    """False gives the row back untried, for later: the attempt does not count."""


class ReleaseTasks(Value, frozen=True):
    """Give back claimed rows untried (shutdown): claimable at once, same attempt number. Result: number released."""

    task_ids: tuple[int, ...]


class BeatTasks(Value, frozen=True):
    """Record progress of claimed rows. Result: tuple of the task ids among them that are no longer wanted or owned."""

    progress: tuple[tuple[int, int, bytes], ...]
    """(task id, token, progress as JSON text or empty for "unchanged")."""


# --- Fan-outs ----------------------------------------------------------------------------------------------------


class ClaimChunks(Value, frozen=True):
    """Claim chunks of fan-outs, as ClaimTasks does rows. Result: tuple[ClaimedChunk]."""

    pools: tuple[tuple[str, int], ...]
    """(pool, how many chunks at most) pairs."""
    tasks: tuple[str, ...]


class ClaimedChunk(Value, frozen=True):
    """Items the writing member is to run."""

    chunk_id: int
    fan_out_id: int
    execution_id: int
    run_id: str
    execution: str
    step: str
    task: str
    pool: str
    options: bytes
    attempt: int
    items: tuple[tuple[int, bytes], ...]
    """(index in the fan-out, input as JSON text) of the items that have no outcome yet."""
    token: int
    recoveries: int = 0


class ItemOutcome(Value, frozen=True, array_like=True):
    """The final outcome of one item."""

    index: int
    ok: bool
    body: bytes
    """Result as JSON text, or an encoded Failure."""


class RecordItems(Value, frozen=True):
    """Record outcomes of a claimed chunk's items, as they finish. Result: ChunkState, or FencedError.

    Outcomes are final and kept once. `retry` moves items to a new chunk of the same fan-out that is claimable at
    `retry_at` as attempt `attempt` + 1. `done` ends the chunk: items without outcome or retry go back as a chunk
    that is claimable at once with the same attempt. When the last item of the fan-out has its outcome (or more
    than `failures_max` failed), the store puts a `fan_out` message into the run's inbox and drops open chunks.
    """

    chunk_id: int
    token: int
    outcomes: tuple[ItemOutcome, ...]
    retry: tuple[int, ...] = ()
    retry_at: float = 0.0
    done: bool = False
    fan_out_id: int = 0
    """Whose items they are, as the claim said: a body that is encrypted is so for its place."""


class ChunkState(Value, frozen=True):
    """Whether a chunk is still wanted."""

    wanted: bool
    """False when the fan-out was cancelled or given up: stop working on it."""
    finished: bool = False
    """This write gave the fan-out its last outcome."""


class FanOutSummary(Value, frozen=True, array_like=True):
    """Body of a `fan_out` message (msgpack)."""

    step: str
    digest: bytes
    """BLAKE2b-128 over the (ok, body) pairs in index order."""
    count: int
    failed: int
    first_failed_index: int = -1
    first_failure: bytes = b""


# --- Locks and leases of scripts and tasks -----------------------------------------------------------------------


class AcquireLease(Value, frozen=True):
    """Queue for a lock from outside a workflow, or ask again. Result: token (int > 0) when held, 0 while waiting.

    FIFO with the workflows' requests for the same name. Expires `lease_seconds` after the last ask or renewal.
    """

    name: str
    slots: int
    holder: str
    """Names this request; asking again with it keeps its place."""
    lease_seconds: float


class RenewLease(Value, frozen=True):
    """Renew a held lease. Result: True, or LockLost."""

    name: str
    token: int
    lease_seconds: float


class ReleaseLease(Value, frozen=True):
    """Give back a held lease, or leave the queue. Result: True, or LockLost when it was lost before."""

    name: str
    holder: str


class BreakLock(Value, frozen=True):
    """Take a lock from its holder by force; the next in line gets it. Result: the holder's name, or ''."""

    name: str


# --- Ledger ------------------------------------------------------------------------------------------------------


class OpenEntry(Value, frozen=True):
    """Lease a ledger entry. Result: token (int), or AlreadyProcessed, or LeaseHeld."""

    name: str
    holder: str
    lease_seconds: float


class RenewEntry(Value, frozen=True):
    """Renew the lease of an entry. Result: True, or LeaseLost."""

    name: str
    token: int
    lease_seconds: float


class CloseEntry(Value, frozen=True):
    """Give up the lease of an entry that was not marked done. Result: True, or LeaseLost."""

    name: str
    token: int


class MarkDone(Value, frozen=True):
    """Record a ledger result. With a token: LeaseLost unless it is the newest. Without: the first writer wins.

    Result: True when this write recorded it, AlreadyProcessed when another did before; LeaseHeld without a token
    while somebody else's lease is live.
    """

    name: str
    result: bytes
    token: int | None = None


# --- Requests: queries and updates from other processes ----------------------------------------------------------


class Ask(Value, frozen=True):
    """Put a query or an update where an orchestrator finds it. Result: request id (int), or RunNotFoundError."""

    run_id: str
    kind: str
    """`query` or `update`."""
    name: str
    body: bytes
    operation_id: str
    expires_at: float


class TakeRequests(Value, frozen=True):
    """Claim unanswered requests for runs that the writing member owns or that nobody owns. Result: tuple[Request].

    A run that nobody owns becomes ready when an update for it is claimed: only an owner can answer that.
    """

    limit: int


class Request(Value, frozen=True):
    """A query or an update to be answered."""

    request_id: int
    run_id: str
    execution_id: int
    kind: str
    name: str
    body: bytes
    operation_id: str


class Answer(Value, frozen=True):
    """Answer a request. Result: True."""

    request_id: int
    body: bytes


# --- Captures ----------------------------------------------------------------------------------------------------


class MarkCaptured(Value, frozen=True):
    """Note of which executions a capture was made, or is not wanted. Result: True.

    A run that is resumed after it was parked, or that ends otherwise than it was marked for, wants another one.
    """

    captured: tuple[tuple[int, str], ...] = ()
    """(execution id, the status it had) pairs."""
    older_than: int = 0
    """No captures are wanted of executions with a smaller id than this either."""


# --- What is old -------------------------------------------------------------------------------------------------


class Prune(Value, frozen=True):
    """Let go of the histories of executions that closed before a time: events, payloads, outcomes of fan-outs.

    Their rows stay: id, status, end. Nothing of an open execution is touched, nor a payload that one names, or that a
    closed one names whose history is kept. Result: Pruned.
    """

    before: float
    after: int = 0
    """Only executions with a larger id than this: where the batch before ended."""
    executions: int = 100
    """How many executions are looked at."""
    uncaptured: bool = False
    """Also those that failed or timed out and of which a capture is still to be made."""


class Pruned(Value, frozen=True):
    """What a batch of pruning let go."""

    executions: int
    pages: int
    payloads: int
    next_after: int | None
    """`after` of the next batch; None when this was the last."""


# --- API keys and audit ------------------------------------------------------------------------------------------


class PutKey(Value, frozen=True):
    """Store an API key by its hash. Result: True, or RunConflictError when the name is taken."""

    name: str
    key_hash: bytes
    scopes: tuple[str, ...]
    expires_at: float | None = None


class RevokeKey(Value, frozen=True):
    """Make an API key invalid. Result: True when there was one."""

    name: str


Operation: TypeAlias = (
    Join
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
    | OpenEntry
    | RenewEntry
    | CloseEntry
    | MarkDone
    | Ask
    | TakeRequests
    | Answer
    | MarkCaptured
    | Prune
    | PutKey
    | RevokeKey
)

# --- Records a store gives back ----------------------------------------------------------------------------------


class RunRecord(Value, frozen=True):
    """An execution, as lists and descriptions show it."""

    execution_id: int
    run_id: str
    execution: str
    workflow: str
    status: str
    created_at: float
    closed_at: float | None
    parked: str
    """Reason, when parked."""
    outcome: bytes
    """Encoded outcome when closed, else empty."""
    owner: str
    """Name of the member that owns it, or ''."""
    last_event: int
    code_version: str
    recoveries: int
    wake_at: float | None
    paused_by: str = ""
    """Who paused it, when it is PAUSED."""
    paused_reason: str = ""
    paused_at: float | None = None
    attributes: dict[str, str] = msgspec.field(default_factory=dict)
    """Literals by name. Of a run that went on, only the newest execution has them."""
    memo: bytes = b""
    """Encoded memo, empty for none. As `attributes`."""


class InboxRow(Value, frozen=True):
    """A message an execution has not read yet."""

    inbox_id: int
    execution_id: int
    kind: str
    name: str
    body: bytes
    operation_id: str
    sender: str
    received_at: float


class MemberRecord(Value, frozen=True):
    """A member, alive or not."""

    member: int
    name: str
    kind: str
    host: str
    pid: int
    epoch: int
    state: str
    """`alive`, `blocked at ...`, `expired`, `left`, `dead`."""
    joined_at: float
    expires_at: float
    workflows: tuple[str, ...]
    pools: tuple[tuple[str, int], ...]
    runs: int
    tasks: int
    refused: int
    """Writes of this member that were refused after it lost its lease."""


class PoolRecord(Value, frozen=True):
    """One pool's load, for autoscaling."""

    pool: str
    backlog: int
    in_flight: int
    oldest_seconds: float
    slots: int
    """Slots of live members that serve it."""


class LockRecord(Value, frozen=True):
    """One place in a lock's queue."""

    name: str
    slots: int
    holder: str
    """Execution and step, or the name a script gave."""
    held: bool
    token: int
    since: float
    expires_at: float | None


class EntryRecord(Value, frozen=True):
    """A ledger entry."""

    name: str
    done: bool
    result: bytes
    done_at: float | None
    holder: str


class KeyRecord(Value, frozen=True):
    """An API key, without its secret."""

    name: str
    key_hash: bytes
    scopes: tuple[str, ...]
    created_at: float
    expires_at: float | None
    revoked: bool


class QueueRecord(Value, frozen=True):
    """A queued task, as `explain` and the dashboard show it."""

    task_id: int
    execution_id: int
    step: str
    task: str
    pool: str
    attempt: int
    visible_at: float
    owner: str
    progress: bytes
    failures: bytes = b""
    """Encoded failed attempts so far."""


class FanOutRecord(Value, frozen=True):
    """How far a fan-out is."""

    fan_out_id: int
    execution_id: int
    step: str
    task: str
    count: int
    done: int
    failed: int
    closed: bool


class ChunkRecord(Value, frozen=True):
    """A chunk of a fan-out that is not done yet."""

    chunk_id: int
    pending: int
    """How many of its items have no outcome."""
    attempt: int
    recoveries: int
    owner: str
    """Name of the member that has claimed it, or ''."""


class RunFilter(Value, frozen=True):
    """Which runs are meant, by what their newest execution is. All that is given has to hold."""

    workflow: str | None = None
    statuses: tuple[str, ...] = ()
    """Any of these; none of them is any status."""
    created_from: float | None = None
    created_before: float | None = None
    error: str = ""
    """Text in what is kept of its failure, or in why it is parked. Upper and lower case count."""
    attributes: tuple[tuple[str, str], ...] = ()
    """(name, text) pairs: it has each of these attributes with a value that is written so, such as `12` or `eu`."""


class Totals(Value, frozen=True):
    """Counts over the whole store."""

    runs: dict[str, int]
    """Status to number of newest executions."""
    refused_writes: int
    """Writes refused because their author had lost its lease, since the store was made."""
