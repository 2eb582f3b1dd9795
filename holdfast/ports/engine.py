"""The client side: what applications can ask of a running system.

Owns: the port that the embedded engine and Temporal implement; controller, CLI, client and dashboard speak only this.
Must not know: stores, workflows' types, HTTP.

Payloads are JSON text in both directions; the client above does the typing.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final, Protocol

import msgspec

from holdfast.history import AnyEvent, Failure, Page, WorkflowStarted, decrypted, is_encrypted
from holdfast.ports.operations import (
    Carrying,
    Changes,
    Deliver,
    Gather,
    Gathered,
    IdPolicy,
    Operation,
    Pause,
    Position,
    Resume,
    RunFilter,
    RunRecord,
    Started,
    StartSignal,
)
from holdfast.ports.schedules import Schedules

TIME_IS_UP: Final = "its time was up"
"""The reason of every run that has timed out."""


class Outcome(msgspec.Struct, frozen=True, array_like=True):
    """How an execution ended."""

    status: str
    """COMPLETED, FAILED, CANCELLED, TERMINATED or TIMED_OUT."""
    result: bytes | None = None
    """JSON text when COMPLETED."""
    failure: Failure | None = None
    reason: str = ""


def decode_end(encoded: bytes) -> Outcome:
    """Return how an execution ended, as its record says it.

    Raises:
        EncryptionError: it was encrypted with a key that whoever read the record does not know.
    """
    return _decode_outcome(decrypted(encoded, None, b"", "how the run ended"))


def encode_memo(memo: dict[str, str]) -> bytes:
    """Return a memo as a run's record has it; nothing for none."""
    return msgspec.json.encode(memo) if memo else b""


def decode_memo(encoded: bytes) -> dict[str, str] | None:
    """Return a memo as it was given; None when it is encrypted, and the key is not here."""
    if not encoded:
        return {}
    return None if is_encrypted(encoded) else _decode_memo(encoded)


_decode_memo: Final = msgspec.json.Decoder(dict[str, str]).decode
_decode_outcome: Final = msgspec.msgpack.Decoder(Outcome).decode


class StartRequest(msgspec.Struct, frozen=True):
    """One run to be started."""

    workflow: str
    run_id: str
    input: bytes
    """JSON text that fits the workflow's input type; the caller has validated it."""
    code_version: str = ""
    memo: dict[str, str] = msgspec.field(default_factory=dict)
    pin: str = ""
    """The only code version that may have the run; '' is any."""
    timeout: float = 0.0
    """How long the run may take, with all executions it goes on as, in seconds; 0 is for ever."""
    execution_timeout: float = 0.0
    """How long each of its executions may take, in seconds; 0 is for ever."""
    attributes: dict[str, str] = msgspec.field(default_factory=dict)
    """What it is to be found by: literals, by name."""
    notify: tuple[str, ...] = ()
    """URLs that are told how it has ended; see `holdfast.ports.notices`."""
    delay: float = 0.0
    """How long after it is started it is to begin, in seconds; 0 is at once."""
    start_at: float = 0.0
    """When it is to begin, in seconds since the epoch, instead of `delay`; 0, or a time that has come, is at once."""


class Begin(msgspec.Struct, frozen=True):
    """A run to be begun, or to be signalled, as a part of something more."""

    request: StartRequest
    policy: IdPolicy = msgspec.field(default_factory=IdPolicy)
    """What to do when there is a run with this id."""
    signal: StartSignal | None = None
    """What to tell it in the same commit."""


class BulkRequest(msgspec.Struct, frozen=True):
    """One thing to be done to many runs."""

    verb: str
    """`cancel`, `terminate`, `pause` or `resume`."""
    where: RunFilter
    """Without a status: those that the verb means something for."""
    operation_id: str
    """Names the whole of it: done again under the same name, nobody is told twice."""
    reason: str = ""
    by: str = ""


class BulkPage(msgspec.Struct, frozen=True):
    """What came of a part of it."""

    done: tuple[str, ...]
    """Run ids."""
    refused: tuple[tuple[str, str], ...]
    """Run ids, each with why nothing was done to it."""
    next: str | None
    """Cursor of the next part; None at the end."""


class ForkRequest(msgspec.Struct, frozen=True):
    """A run that is to begin with what another one recorded. Payloads are JSON text."""

    run_id: str
    """The source, or one execution of it, such as `ord-1@2`."""
    at: str
    """`start`, a step (just before its outcome), or an event's id (the last one that is kept)."""
    new_id: str
    override: dict[str, bytes] = msgspec.field(default_factory=dict)
    input: bytes | None = None
    code_version: str | None = None
    new_keys: bool = False
    lock_seconds: float = 30.0
    """How long to wait for the locks that the source held at the cut."""


class Forked(msgspec.Struct, frozen=True):
    """A fork that was started."""

    run_id: str
    created: bool
    """False when the run was there before."""
    recorded: tuple[str, ...]
    """Steps that have their outcome already and do not run."""
    again: tuple[str, ...]
    """Steps that were under way at the cut and are issued again."""
    keys: dict[str, str]
    """Idempotency keys kept from the source, by step: a step has it as long as its input is unchanged."""


class Cause(msgspec.Struct, frozen=True):
    """One reason why a run does not move."""

    kind: str
    """A word for programs: paused, parked, scheduled, no-orchestrator, no-code, owner, running, retry, no-worker,
    slots, timer, lock, deadlock, fan-out, child, callback, task, step, message, cancel, ended."""
    text: str
    step: str = ""
    since: float | None = None
    """Seconds since the epoch."""
    remedy: str = ""
    """What can be done, where something can."""
    run: str = ""
    """The run that this is about, where it is another one."""
    causes: tuple[Cause, ...] = ()
    """Why that run does not move."""


WAITING: Final = "holdfast.waiting"
"""The query that every run answers by itself: with a `Waiting`."""


class Waiting(msgspec.Struct, frozen=True):
    """What a run's code waits for, beside its steps."""

    signals: tuple[str, ...] = ()
    """Names of the signals that are waited for by name."""
    where: str = ""
    """Where its code waits, such as `automations.py:88, in Review.run`."""


class Explanation(msgspec.Struct, frozen=True):
    """Why a run does not move, as a chain of causes."""

    run_id: str
    execution: str
    status: str
    causes: tuple[Cause, ...]


class RecordedEvent(msgspec.Struct, frozen=True):
    """An event with its id."""

    id: int
    event: AnyEvent


class LocalOrchestrator(Protocol):
    """An orchestrator in the same process, which spares its client the detour through the store."""

    def knows(self, workflow: str) -> bool:
        """Say whether it runs this workflow."""

    def versioned(self, request: StartRequest) -> StartRequest:
        """Return a start that does not know the code, with the version that this orchestrator has, pinned or not."""

    def adopt(self, started: Started, page: Page, event: WorkflowStarted) -> None:
        """Go on with an execution that was started as owned by this orchestrator's member."""

    async def ask(self, kind: str, run_id: str, name: str, payload: bytes, operation_id: str) -> bytes | None:
        """Answer a query or an update (`kind`) of a run it owns or can claim; None when another member owns it.

        Raises: as `Engine.query` and `Engine.update`.
        """

    def owns(self, run_id: str) -> bool:
        """Say whether it owns the run's newest execution now."""

    def watch_outcome(self, run_id: str) -> Future[Outcome]:
        """Return a future of how a run it owns ends; cancelled when it gives the run up."""


class Cluster(Protocol):
    """The system of others that runs are on, where they are not in the store."""

    @property
    def engine(self) -> str:
        """What it is called."""

    @property
    def name(self) -> str:
        """Where it is, in words."""

    async def orchestrators(self) -> int:
        """Return how many processes run workflows there. Raises StoreError: it does not answer."""


class Teller(Protocol):
    """What tells a run things."""

    async def signal(self, run_id: str, name: str, payload: bytes, operation_id: str) -> None:
        """Deliver a signal. See `Engine.signal`."""

    async def cancel(self, run_id: str, reason: str, operation_id: str) -> None:
        """Ask a run to stop. See `Engine.cancel`."""

    async def terminate(self, run_id: str, reason: str, operation_id: str) -> None:
        """End a run. See `Engine.terminate`."""


async def tell(engine: Teller, message: Deliver) -> None:
    """Tell a run what a message says: a signal, a cancellation or a termination. Raises what that raises."""
    match message.kind:
        case "signal":
            await engine.signal(message.run_id, message.name, message.body, message.operation_id)
        case "cancel":
            await engine.cancel(message.run_id, message.body.decode(), message.operation_id)
        case _:
            await engine.terminate(message.run_id, message.body.decode(), message.operation_id)


class Engine(Protocol):
    """Starts runs, talks to them, and reads them."""

    @property
    def schedules(self) -> Schedules | None:
        """The schedules that the engine keeps itself; None where they are in the store."""

    def acting_as(self, actor: str) -> Engine:
        """Return this engine as `actor` uses it: what is done through it goes into the audit log in the same commit.

        Made for one act, or for the life of a client that runs nothing itself.
        """

    async def start(self, requests: Sequence[StartRequest]) -> list[Started]:
        """Start runs durably; a run that exists with the same input is returned as it is.

        Raises:
            RunConflictError: an id exists with another workflow or input; the others were started.
        """

    async def start_next(self, request: StartRequest, policy: IdPolicy, signal: StartSignal | None = None) -> Started:
        """Start a run durably, or the next execution of a run that exists, as `policy` says; signal it with that.

        Raises:
            RunConflictError: the policy refuses the run that has this id.
            RunClosedError: the run that was found has ended, and cannot be signalled.
        """

    async def carry_out(self, act: Begin | Deliver | Pause | Resume, note: Callable[[Operation], Carrying]) -> Any:
        """Begin a run, tell one something, or operate one, durably, with a note of it in the same commit.

        Args:
            act: what is done.
            note: makes the operation that carries it out; called again with the same act made anew where others were
                faster to start the same run.

        Returns:
            The result of what `note` made.

        Raises:
            HoldfastError: what `note` made was refused.
        """

    async def gather(self, event: Gather) -> Gathered:
        """Add an event to those that are to become one run, durably."""

    async def signal(self, run_id: str, name: str, payload: bytes, operation_id: str) -> None:
        """Deliver a signal durably. The same `operation_id` again is the same signal.

        Raises:
            RunNotFoundError, RunClosedError.
        """

    async def answer(self, run_id: str, number: int, name: str, payload: bytes) -> None:
        """Deliver the answer to a callback durably, the first one alone.

        Args:
            run_id: whose callback it is.
            number: which execution of the run it is, from 1.
            name: of the message that it is: see `holdfast.ports.callbacks`.
            payload: the answer as JSON text.

        Raises:
            RunNotFoundError, RunClosedError: nobody waits for it any more.
            CallbackGoneError: it was answered before.
            NoOrchestratorError: nobody took it.
        """

    async def query(self, run_id: str, name: str, payload: bytes, timeout: float) -> bytes:
        """Return a query's answer as JSON text. Closed runs answer too.

        Raises:
            RunNotFoundError, UnknownNameError, QueryError, NoOrchestratorError (nobody answered in `timeout` seconds).
        """

    async def update(self, run_id: str, name: str, payload: bytes, operation_id: str, timeout: float) -> bytes:
        """Return an update's answer as JSON text, once it is durable.

        Raises:
            RunNotFoundError, RunClosedError, UnknownNameError, UpdateRejectedError, UpdateFailedError (the
            handler raised), NoOrchestratorError, RunStateError (it is paused: nothing was recorded).
        """

    async def cancel(self, run_id: str, reason: str, operation_id: str) -> None:
        """Ask a run to stop, durably. A parked one is tried again; a paused one sees it when it goes on.

        Raises:
            RunNotFoundError, RunClosedError.
        """

    async def terminate(self, run_id: str, reason: str, operation_id: str) -> None:
        """End a run without asking its code, durably; at once when nobody owns it.

        Raises:
            RunNotFoundError, RunClosedError.
        """

    async def pause(self, run_id: str, by: str, reason: str) -> None:
        """Keep a run from moving until it is resumed, durably. Raises RunNotFoundError, RunClosedError."""

    async def resume(self, run_id: str) -> None:
        """Let a parked or paused run go on.

        Raises:
            RunNotFoundError, RunClosedError, RunStateError (it is neither).
        """

    async def explain(self, run_id: str) -> Explanation:
        """Return why a run does not move. Raises RunNotFoundError."""

    async def describe(self, run_id: str) -> RunRecord:
        """Return a run's newest execution. Raises RunNotFoundError."""

    async def runs(
        self,
        *,
        workflow: str | None = None,
        status: str | None = None,
        where: RunFilter | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> tuple[list[RunRecord], str | None]:
        """Return newest executions, newest first, and the next page's cursor; `where` is instead of the other two."""

    async def count(self, where: RunFilter, limit: int) -> int:
        """Return how many runs `where` means, but no more than `limit`."""

    async def bulk(self, request: BulkRequest, cursor: str | None, limit: int) -> BulkPage:
        """Do one thing to the next `limit` runs that a filter means, newest first; what is refused is listed.

        Calling it again with the same request and cursor does nothing twice.
        """

    async def fork(self, request: ForkRequest) -> Forked:
        """Start a run whose history begins with what another one recorded, durably.

        Raises:
            RunNotFoundError: there is no such run.
            ForkError: it has no such place or step.
            RunConflictError: the new run's id is taken.
            LeaseHeld: a lock that the run held there is held by somebody else for longer than `lock_seconds`.
        """

    async def history(self, run_id: str, after: int = 0) -> list[RecordedEvent]:
        """Return an execution's events after event id `after`. Raises RunNotFoundError."""

    def watch(self, run_id: str, after: int = 0) -> AsyncIterator[RecordedEvent]:
        """Yield events as they are recorded, until the execution closes. Raises RunNotFoundError."""

    async def newest_change(self) -> Position:
        """Return where a reader of changes stands who has read everything."""

    async def changes(self, after: Position, limit: int) -> Changes:
        """Return how runs changed after a position, in the order of commits.

        They began, ended, were parked, paused or set going again. At most `limit` pages of histories are looked at.
        """

    async def outcome(self, run_id: str, timeout: float | None) -> Outcome | None:
        """Wait until a run has ended; None when it has not within `timeout` seconds. Raises RunNotFoundError."""
