"""Appending to a history, with all that has to be true together with it.

Owns: what an owner changes about its execution in one commit.
Must not know: what events say.
"""

from __future__ import annotations

from holdfast.history import Limits, Page
from holdfast.ports.operations.base import Value


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
    traceparent: str = ""
    """Where in which trace its run was started; the worker's business."""
    limits: Limits | None = None
    """What it waits for besides a free slot."""


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
    traceparent: str = ""
    """As in QueueTask."""


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
    other_digests: tuple[bytes, ...] = ()
    """As of `StartRun`."""
    attributes: tuple[tuple[str, str], ...] = ()
    """As of `StartRun`, unless it is found."""
    memo: bytes = b""
    """As of `StartRun`, unless it is found."""


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
    attributes: tuple[tuple[str, str], ...] = ()
    """(name, literal) pairs that change what the run is found by; an empty literal takes the name away."""
