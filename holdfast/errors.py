"""Every error Holdfast raises.

    HoldfastError
    ├── DefinitionError            the code is wrong before anything ran
    │   ├── DuplicateNameError
    │   └── OutsideWorkflowError
    ├── WorkflowCodeError          workflow code did what a workflow may not do
    │   ├── NondeterminismError
    │   ├── DuplicateKeyError
    │   ├── ReadOnlyError
    │   ├── LivelockError
    │   └── NotOnEngineError
    ├── ReplayError                the code and the history disagree
    │   ├── DivergenceError
    │   └── HistoryError
    │       └── PrunedError
    ├── PayloadError               a value cannot travel
    │   ├── EncodeError
    │   ├── InputError
    │   └── PayloadTooLargeError
    ├── TaskError                  a task's final outcome, as its workflow sees it
    │   ├── TaskTimeoutError
    │   └── FanOutError
    ├── RateLimited                a task was told by a receiver to come again later
    │   ├── HostBusy               by a host that it calls through `holdfast.http`
    │   └── CircuitOpen            nobody told it: the host fails, and is left alone for a while
    ├── CallError                  a call through `holdfast.http` that did not succeed
    │   ├── CallFailedError
    │   ├── CallRefusedError
    │   ├── ApiDrift               its answer is not what the code expects
    │   └── ForbiddenTargetError
    ├── ModelError                 a language model did not answer
    │   ├── ModelRequestError
    │   └── AnswerError
    ├── BudgetUsedUp               nothing is left to pay a language model from
    ├── ChildError                 a child run's end without a result, as its parent sees it
    ├── MessageError               a message to another run that could not be delivered
    ├── RunError                   a run's final outcome, as its caller sees it
    │   ├── RunFailedError
    │   ├── RunCancelledError
    │   ├── RunTerminatedError
    │   └── RunTimedOutError
    ├── RequestError               a request that cannot be served
    │   ├── RunNotFoundError
    │   ├── RunClosedError
    │   ├── RunConflictError
    │   ├── UnknownNameError
    │   ├── UpdateRejectedError
    │   ├── UpdateFailedError
    │   ├── QueryError
    │   ├── NoOrchestratorError
    │   ├── RunStateError
    │   ├── CallbackError
    │   │   └── CallbackGoneError
    │   ├── ForkError
    │   ├── BacklogFullError
    │   ├── KeyReusedError
    │   ├── KeyInUseError
    │   ├── KeyNameError
    │   ├── SignatureError
    │   ├── DeliveryError
    │   │   └── DeliveryConflictError
    │   ├── ScheduleError
    │   └── HttpError              a request that is wrong as HTTP, whatever it asks for
    │       ├── UnauthenticatedError
    │       ├── NotAllowedError
    │       ├── MediaTypeError
    │       └── TooManyRequestsError
    ├── LeaseError                 somebody else holds it, or took it
    │   ├── LeaseHeld
    │   ├── LeaseLost
    │   ├── LockLost
    │   ├── AlreadyProcessed
    │   ├── FencedError
    │   └── InboxUnreadError
    ├── StoreError                 the store cannot do what was asked
    │   ├── StoreBusyError
    │   ├── StoreFullError
    │   ├── StoreCorruptError
    │   └── SchemaError
    ├── TransactionError           `transaction` cannot work on this connection
    ├── EncryptionError            what is stored cannot be decrypted here
    ├── SettingsError
    ├── UsageError                 a command line that cannot be carried out
    ├── MissingExtraError
    └── WorldStuckError

Owns: the tree, the codes, the wording.
Must not know: anything else in the package.

A message answers four questions in this order: what happened, where, why it is
wrong, what to do. Its code never changes and has a page in docs/errors/.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, fields
from datetime import timedelta
from difflib import get_close_matches
from typing import Any, ClassVar


class HoldfastWarning(UserWarning):
    """Something that will hurt later, said once."""


@dataclass(eq=False, repr=False)
class HoldfastError(Exception):
    """Base of every error raised on purpose."""

    code: ClassVar[str] = "HF000"
    retryable: ClassVar[bool] = True
    """Whether another attempt at a task that raised it can come to anything else."""

    def message(self) -> str:
        """Say what happened, where, why, and what to do."""
        return (self.__doc__ or "").split("\n")[0]

    def __repr__(self) -> str:
        """Return the name with all fields."""
        # Once here, and not made for each class: making methods is what loading this module takes.
        values = (f"{each.name}={getattr(self, each.name)!r}" for each in fields(self))
        return f"{type(self).__qualname__}({', '.join(values)})"

    def __str__(self) -> str:
        """Return the message, led by its code."""
        return f"[{self.code}] {self.message()}"

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel between processes by field, not by message."""
        return _rebuild, (type(self), {each.name: getattr(self, each.name) for each in fields(self)})


def _rebuild(kind: type[HoldfastError], values: dict[str, Any]) -> HoldfastError:
    return kind(**values)


# --- Definitions -------------------------------------------------------------------------------------------------


@dataclass(eq=False, repr=False)
class DefinitionError(HoldfastError):
    """A workflow or task definition that cannot work."""

    code: ClassVar[str] = "HF101"

    what: str
    where: str = ""
    remedy: str = ""

    def message(self) -> str:
        """Say what is wrong with the definition, where, and what to write instead."""
        place = f"  ({self.where})" if self.where else ""
        remedy = f"\n{self.remedy}" if self.remedy else ""
        return f"{self.what}{place}{remedy}"


class DuplicateNameError(DefinitionError):
    """Two definitions share one name."""

    code: ClassVar[str] = "HF102"


class OutsideWorkflowError(DefinitionError):
    """Something that only means something inside a workflow was called elsewhere."""

    code: ClassVar[str] = "HF103"


# --- Workflow code -----------------------------------------------------------------------------------------------


class WorkflowCodeError(HoldfastError):
    """Workflow code did what a workflow may not do."""

    code: ClassVar[str] = "HF200"


@dataclass(eq=False, repr=False)
class NondeterminismError(WorkflowCodeError):
    """Workflow code asked for something that a replay would answer differently."""

    code: ClassVar[str] = "HF201"

    call: str
    where: str
    instead: str

    def message(self) -> str:
        """Name the call, its line, and its replacement."""
        return (
            f"workflow code called {self.call}  ({self.where})\n"
            "A replay would get another answer, so the run could not be recovered.\n"
            f"Instead: {self.instead}"
        )


@dataclass(eq=False, repr=False)
class DuplicateKeyError(WorkflowCodeError):
    """Two steps of one execution were given the same key."""

    code: ClassVar[str] = "HF202"

    step: str
    first: str
    second: str

    def message(self) -> str:
        """Name the key and both lines."""
        return (
            f"step {self.step!r} was issued twice\n"
            f"  first   {self.first}\n"
            f"  again   {self.second}\n"
            "A key names one step of one execution. Give the second call another key, or none."
        )


@dataclass(eq=False, repr=False)
class ReadOnlyError(WorkflowCodeError):
    """A query or a validator tried to change the run."""

    code: ClassVar[str] = "HF203"

    attempted: str
    handler: str

    def message(self) -> str:
        """Name the handler and what it tried."""
        return (
            f"{self.handler} tried to {self.attempted}\n"
            "Queries and validators leave nothing in history, so they may only read. Use a signal or an update."
        )


@dataclass(eq=False, repr=False)
class LivelockError(WorkflowCodeError):
    """A workflow ran on and on without ever waiting."""

    code: ClassVar[str] = "HF204"

    callbacks: int
    where: str

    def message(self) -> str:
        """Name the limit and the place it was hit."""
        return (
            f"workflow code ran {self.callbacks:,} callbacks (TURN_CALLBACKS_MAX) without waiting  ({self.where})\n"
            "Between two waits a workflow only decides. Move the loop's work into a task, or wait inside it."
        )


@dataclass(eq=False, repr=False)
class NotOnEngineError(WorkflowCodeError):
    """Something was asked for that the engine which runs it does not have."""

    code: ClassVar[str] = "HF205"
    retryable: ClassVar[bool] = False

    what: str
    engine: str
    where: str = ""
    instead: str = 'Runs with it need the embedded engine: engine = "embedded".'
    """What to do."""

    def message(self) -> str:
        """Name what there is not, where it was asked for, and where there is a list of what there is."""
        place = f"  ({self.where})" if self.where else ""
        return (
            f"there is no {self.what} on {self.engine}{place}\n"
            f"{self.instead} What differs between the engines:\n"
            "docs/how-to/temporal.md"
        )


# --- Replay ------------------------------------------------------------------------------------------------------


class ReplayError(HoldfastError):
    """The code and the history disagree."""

    code: ClassVar[str] = "HF300"


@dataclass(eq=False, repr=False)
class DivergenceError(ReplayError):
    """The code did something else than its history says it did."""

    code: ClassVar[str] = "HF301"

    run_id: str
    event_id: int
    kind: str
    recorded: str
    attempted: str
    where: str = ""

    def message(self) -> str:
        """Show recorded and attempted side by side."""
        place = f"  ({self.where})" if self.where else ""
        return (
            f"run {self.run_id!r} diverged at event {self.event_id}: {self.kind}{place}\n"
            f"  recorded   {self.recorded}\n"
            f"  attempted  {self.attempted}\n"
            "A workflow must repeat its recorded decisions. Guard the change with\n"
            f'patched("..."), or see both sides: holdfast replay {self.run_id}'
        )


@dataclass(eq=False, repr=False)
class HistoryError(ReplayError):
    """A history that no execution can have written."""

    code: ClassVar[str] = "HF302"

    what: str
    where: str = ""
    hint: str = "The file or the rows are damaged or hand-edited. Check the store: holdfast verify"

    def message(self) -> str:
        """Say what is impossible about the history, and at which event."""
        place = f"  ({self.where})" if self.where else ""
        return f"{self.what}{place}\n{self.hint}"


@dataclass(eq=False, repr=False)
class PrunedError(HistoryError):
    """What was asked for was pruned: its run ended long ago."""

    code: ClassVar[str] = "HF303"

    hint: str = "The run ended long ago; its id, status and result are still there: holdfast runs show"


# --- Payloads ----------------------------------------------------------------------------------------------------


class PayloadError(HoldfastError):
    """A value cannot travel."""

    code: ClassVar[str] = "HF400"


@dataclass(eq=False, repr=False)
class EncodeError(PayloadError):
    """A value has no JSON form."""

    code: ClassVar[str] = "HF401"

    what: str
    reason: str
    declared: str = ""
    """The type that it is declared as, where it is of another: then `reason` says which."""

    def message(self) -> str:
        """Name the value and why it cannot be written."""
        if self.declared:
            return f"{self.what} does not fit: it is declared as {self.declared}, and this is {self.reason}"
        return (
            f"{self.what} cannot be written as JSON: {self.reason}\n"
            "Payloads are JSON: use Pydantic models, dataclasses, msgspec Structs, TypedDicts or plain values."
        )


@dataclass(eq=False, repr=False)
class InputError(PayloadError):
    """A value does not fit what is expected."""

    code: ClassVar[str] = "HF402"

    what: str
    problems: tuple[tuple[str, str], ...]
    """(JSON pointer, what is wrong there) pairs."""

    def message(self) -> str:
        """List every field that does not fit."""
        lines = "\n".join(f"  {pointer or '/'}  {problem}" for pointer, problem in self.problems)
        return f"{self.what} does not fit\n{lines}"


@dataclass(eq=False, repr=False)
class PayloadTooLargeError(PayloadError):
    """A value is larger than a payload may be."""

    code: ClassVar[str] = "HF403"

    what: str
    payload_bytes: int
    limit_bytes: int

    def message(self) -> str:
        """Name the value, its size and the limit."""
        return (
            f"{self.what} is {self.payload_bytes:,} bytes, over the limit of {self.limit_bytes:,} (payload_bytes_max)\n"
            "Store it elsewhere and pass a reference, or raise the setting."
        )


# --- Outcomes, as workflow code and callers see them -------------------------------------------------------------


@dataclass(eq=False, repr=False)
class TaskError(HoldfastError):
    """A task failed for good."""

    code: ClassVar[str] = "HF501"

    step: str
    type: str
    """Name of the exception class the task raised, such as `ValueError`."""
    text: str
    """Its message."""
    attempts: int = 1
    traceback: str = ""
    causes: tuple[tuple[str, str], ...] = field(default=(), kw_only=True)
    """(class name, message) of what caused that exception, nearest first."""

    def message(self) -> str:
        """Name the step, the exception it ended with, and how often it was tried."""
        tries = "1 attempt" if self.attempts == 1 else f"{self.attempts} attempts"
        return f"task {self.step} failed after {tries}: {self.type}: {self.text}"


@dataclass(eq=False, repr=False)
class TaskTimeoutError(TaskError, TimeoutError):
    """A task ran out of time for good."""

    code: ClassVar[str] = "HF502"

    timeout: str = "attempt"
    """Which of the four ran out: queue, attempt, total or heartbeat."""

    def message(self) -> str:
        """Name the step and which of its time-outs ran out."""
        tries = "1 attempt" if self.attempts == 1 else f"{self.attempts} attempts"
        return f"task {self.step} timed out ({self.timeout}) after {tries}: {self.text}"


@dataclass(eq=False, repr=False)
class FanOutError(TaskError):
    """Items of a `map_tasks` failed, and it was not told to collect failures."""

    code: ClassVar[str] = "HF503"

    failed: int = 0
    index: int = 0

    def message(self) -> str:
        """Say how many items failed, and how the first one did."""
        return f"{self.failed} item(s) of {self.step} failed; first, item {self.index}: {self.type}: {self.text}"


@dataclass(eq=False, repr=False)
class RateLimited(HoldfastError):  # noqa: N818 - says what happened, as receivers say it
    """A task was told by a receiver to come again later; tasks raise it themselves.

    ```python
    if answer.status_code == 429:
        raise RateLimited(answer.headers.get("Retry-After", "30s"))
    ```

    The attempt does not count. Until the time is over, no attempt starts that takes of the same rates, in the whole
    fleet; a task without `rate=` waits alone.
    """

    code: ClassVar[str] = "HF506"
    freezes: ClassVar[bool] = True
    """Whether rates wait as well."""

    retry_after: str | float | timedelta = "30s"
    """How long to wait: seconds, also as text, or a duration such as "1m"."""
    rate: str | None = None
    """Name of the rate that is frozen; all rates of the task when None."""

    def message(self) -> str:
        """Say for how long, and what is frozen."""
        frozen = "the task's rates wait" if self.rate is None else f"rate {self.rate!r} waits"
        return f"a receiver said to come again later; {frozen} for {self.retry_after}"


@dataclass(eq=False, repr=False)
class ModelError(HoldfastError):
    """A language model did not answer: it cannot be reached, is overloaded, or what it sent broke off."""

    code: ClassVar[str] = "HF530"

    model: str
    """As it was named, `anthropic:claude-sonnet-5-5`."""
    what: str
    remedy: str = ""

    def message(self) -> str:
        """Say which model, what happened, and what to do."""
        remedy = f"\n{self.remedy}" if self.remedy else ""
        return f"model {self.model!r}: {self.what}{remedy}"


class ModelRequestError(ModelError):
    """A language model refused what it was asked: a wrong key, an unknown model, a context that is too long."""

    code: ClassVar[str] = "HF531"
    retryable: ClassVar[bool] = False


class AnswerError(ModelError):
    """A language model's answer does not fit the type that was asked for, also after it was told so."""

    code: ClassVar[str] = "HF532"


@dataclass(eq=False, repr=False)
class BudgetUsedUp(HoldfastError):  # noqa: N818 - says what happened
    """Nothing is left of a budget to pay a request to a language model from: its run is parked until there is more."""

    code: ClassVar[str] = "HF533"

    name: str
    per: str
    """`run`, `workflow` or `day`."""
    scope: str
    """Which of them."""

    def message(self) -> str:
        """Say which budget it is, and how it gets more."""
        return (
            f"budget {self.name!r} of {self.per} {self.scope} is used up\n"
            f"See what was spent: holdfast ai budgets. Let it have more: "
            + shlex.join(["holdfast", "ai", "grant", self.name, self.scope, "--usd", "5"])
        )


@dataclass(eq=False, repr=False)
class BudgetBusy(RateLimited):
    """What is left of a budget is set aside for requests that are under way, and may cost less than that.

    The attempt does not count; it starts again in a moment.
    """

    code: ClassVar[str] = "HF534"
    freezes: ClassVar[bool] = False

    retry_after: str | float | timedelta = "500ms"
    name: str = ""
    per: str = ""
    scope: str = ""

    def message(self) -> str:
        """Say which budget it is."""
        return f"the rest of budget {self.name!r} of {self.per} {self.scope} is set aside for requests under way"


@dataclass(eq=False, repr=False)
class HostBusy(RateLimited):
    """A host said to come again later, to this caller or to another one in the fleet; or it is not yet one's turn.

    The attempt does not count. Nobody in the fleet calls the host until the time is over.
    """

    code: ClassVar[str] = "HF832"
    freezes: ClassVar[bool] = False

    host: str = ""
    reason: str = ""

    def message(self) -> str:
        """Say who wants to be left alone, for how long, and why."""
        return f"{self.host}: {self.reason}; the next call may be made in {_seconds(self.retry_after)}"


@dataclass(eq=False, repr=False)
class CircuitOpen(RateLimited):
    """A host fails, so nobody in the fleet calls it for a while; then one call finds out whether it is back.

    The attempt does not count.
    """

    code: ClassVar[str] = "HF833"
    freezes: ClassVar[bool] = False

    host: str = ""
    reason: str = ""
    """How the last call failed."""

    def message(self) -> str:
        """Say which host fails, how, and when it is called again."""
        return (
            f"{self.host} fails ({self.reason}), and is not called; it is tried again in {_seconds(self.retry_after)}\n"
            "See all of them: holdfast limits list"
        )


@dataclass(eq=False, repr=False)
class CallError(HoldfastError):
    """A call through `holdfast.http` that did not succeed."""

    code: ClassVar[str] = "HF830"

    method: str
    url: str
    """Without its query, and without a name and password."""
    reason: str
    status: int = 0
    """What the host answered; 0 when there is no answer."""
    body: str = ""
    """How the answer begins."""

    def message(self) -> str:
        """Say what was asked, and what came of it."""
        said = f"\n  {self.body}" if self.body else ""
        return "\n".join(filter(None, (f"{self.method} {self.url}: {self.reason}{said}", self.remedy())))

    def remedy(self) -> str:
        """Say what happens now, or what to do."""
        return ""


class CallFailedError(CallError):
    """There is no answer, or one that says that another attempt may succeed: a time-out, a reset, 500, 503."""

    code: ClassVar[str] = "HF831"

    def remedy(self) -> str:
        """Say that it is tried again, and what that means."""
        return "It is tried again as the task's Retry says. Whether the host did what it was asked is not known."


class CallRefusedError(CallError):
    """The host's answer says that the same call never succeeds: 400, 401, 403, 404, 422."""

    code: ClassVar[str] = "HF834"
    retryable: ClassVar[bool] = False

    def remedy(self) -> str:
        """Say why it is not tried again, and how to take the answer as it is."""
        return "It is not tried again. To take such an answer as it is: accept=[STATUS]."


@dataclass(eq=False, repr=False)
class ApiDrift(CallError):  # noqa: N818 - says what happened
    """An answer is not what the code expects: a field is missing, has another type, or a value that is not known.

    Nothing is tried again: the run is parked before its next effect, and so is every other run that would call the
    same, under one report.
    """

    code: ClassVar[str] = "HF836"
    retryable: ClassVar[bool] = False

    host: str = ""
    endpoint: str = ""
    """What was called, `GET /charges/{}`."""
    contract: str = ""
    """What the answer was expected to be."""
    changes: tuple[tuple[str, str, str], ...] = ()
    """(where in the answer, what was expected, what was found) of each difference; none when another run found them."""

    def message(self) -> str:
        """Say what was called, and each difference."""
        lines = [f"  {path or 'answer'}  expected {expected}, found {found}" for path, expected, found in self.changes]
        return "\n".join([f"{self.method} {self.url}: {self.reason}", *lines, self.remedy()])

    def remedy(self) -> str:
        """Say what to do."""
        return (
            "Runs that call it are parked under one report: holdfast drift list. Adapt the code, then: drift resolve."
        )


class ForbiddenTargetError(CallError):
    """A call, or a redirect, leads to where this code may not reach: this machine, its neighbours, another scheme."""

    code: ClassVar[str] = "HF835"
    retryable: ClassVar[bool] = False

    def remedy(self) -> str:
        """Say how to allow it."""
        return 'Where it is meant to go there: http.host("NAME:PORT", private=True), or the setting outbound_allow.'


def _seconds(time: str | float | timedelta) -> str:
    return f"{time:.3g} s" if isinstance(time, float | int) else str(time)


@dataclass(eq=False, repr=False)
class ChildError(HoldfastError):
    """A child run ended without a result, or could not be started."""

    code: ClassVar[str] = "HF504"

    step: str
    run_id: str
    """The child's run id."""
    status: str
    """FAILED, CANCELLED, TERMINATED or TIMED_OUT; NOT_STARTED when its id belongs to other work."""
    type: str
    """Name of the exception class the child failed with, such as `TaskError`."""
    text: str
    """Its message, or the reason that was given for ending the child."""
    traceback: str = ""
    causes: tuple[tuple[str, str], ...] = ()
    """(class name, message) of what caused that exception, nearest first."""

    def message(self) -> str:
        """Name the child, how it ended and why."""
        how = {"FAILED": "failed", "CANCELLED": "was cancelled", "TERMINATED": "was terminated"}
        words = how.get(self.status, "timed out" if self.status == "TIMED_OUT" else "was not started")
        why = f"{self.type}: {self.text}" if self.type else self.text
        return f"child {self.step} (run {self.run_id!r}) {words}" + (f": {why}" if why else "")


@dataclass(eq=False, repr=False)
class MessageError(HoldfastError):
    """A message from a workflow to another run could not be delivered."""

    code: ClassVar[str] = "HF505"

    step: str
    run_id: str
    type: str
    """`RunNotFoundError` or `RunClosedError`."""
    text: str

    def message(self) -> str:
        """Name the message, the run and what is wrong with it."""
        return f"{self.step} did not reach run {self.run_id!r}: {self.type}: {self.text}"


@dataclass(eq=False, repr=False)
class RunError(HoldfastError):
    """A run ended without a result."""

    code: ClassVar[str] = "HF510"

    run_id: str
    type: str = ""
    text: str = ""
    traceback: str = ""

    def message(self) -> str:
        """Name the run and its end."""
        return f"run {self.run_id!r} ended without a result: {self.type}: {self.text}"


class RunFailedError(RunError):
    """A run failed."""

    code: ClassVar[str] = "HF511"

    def message(self) -> str:
        """Name the run and the exception it ended with."""
        return f"run {self.run_id!r} failed: {self.type}: {self.text}"


class RunCancelledError(RunError):
    """A run was cancelled."""

    code: ClassVar[str] = "HF512"

    def message(self) -> str:
        """Name the run."""
        return f"run {self.run_id!r} was cancelled" + (f": {self.text}" if self.text else "")


class RunTerminatedError(RunError):
    """A run was terminated."""

    code: ClassVar[str] = "HF513"

    def message(self) -> str:
        """Name the run and the reason given."""
        return f"run {self.run_id!r} was terminated" + (f": {self.text}" if self.text else "")


class RunTimedOutError(RunError):
    """A run took longer than it was allowed to."""

    code: ClassVar[str] = "HF514"

    def message(self) -> str:
        """Name the run."""
        return f"run {self.run_id!r} timed out"


# --- Requests ----------------------------------------------------------------------------------------------------


class RequestError(HoldfastError):
    """A request that cannot be served."""

    code: ClassVar[str] = "HF600"


@dataclass(eq=False, repr=False)
class RunNotFoundError(RequestError):
    """No run has this id."""

    code: ClassVar[str] = "HF601"

    run_id: str

    def message(self) -> str:
        """Name the id."""
        return f"there is no run {self.run_id!r}\nSee what there is: holdfast runs list"


@dataclass(eq=False, repr=False)
class RunClosedError(RequestError):
    """The run has ended and takes no more messages."""

    code: ClassVar[str] = "HF602"

    run_id: str
    status: str

    def message(self) -> str:
        """Name the run and how it ended."""
        return f"run {self.run_id!r} is {self.status} and takes no more messages"


@dataclass(eq=False, repr=False)
class RunConflictError(RequestError):
    """The run id is taken by other work."""

    code: ClassVar[str] = "HF603"

    run_id: str
    what: str
    """`workflow` or `input`, where it differs; else how the run stands that a policy refuses."""

    def message(self) -> str:
        """Name the id and what differs, or how the run that has it stands."""
        if self.what not in {"workflow", "input"}:
            return (
                f"run id {self.run_id!r} names a run that is {self.what}, and this start does not accept that\n"
                "Use another id, or another policy: id_reuse_policy if it has ended, id_conflict_policy if it is open."
            )
        return (
            f"run id {self.run_id!r} already exists with another {self.what}\n"
            "A run id names one piece of work. Use another id, or send the same input to get the same run."
        )


@dataclass(eq=False, repr=False)
class UnknownNameError(RequestError):
    """Nothing is registered under this name."""

    code: ClassVar[str] = "HF604"

    kind: str
    """What was looked for: workflow, task, signal, query, update."""
    name: str
    known: tuple[str, ...] = ()
    remedy: str = ""
    """What to do instead, where there are too many names to say."""

    def message(self) -> str:
        """Name what is missing and what there is instead."""
        meant = get_close_matches(self.name, self.known, 1)
        asked = f" Did you mean {meant[0]!r}?" if meant else ""
        there = self.remedy or f"Known here: {', '.join(self.known) or 'none'}"
        return f"there is no {self.kind} {self.name!r}.{asked}\n{there}"


@dataclass(eq=False, repr=False)
class UpdateRejectedError(RequestError):
    """A validator refused an update; nothing was recorded."""

    code: ClassVar[str] = "HF605"

    name: str
    type: str
    text: str

    def message(self) -> str:
        """Name the update and the validator's reason."""
        return f"update {self.name!r} was rejected: {self.type}: {self.text}"


@dataclass(eq=False, repr=False)
class QueryError(RequestError):
    """A query handler raised."""

    code: ClassVar[str] = "HF606"

    name: str
    type: str
    text: str

    def message(self) -> str:
        """Name the query and what it raised."""
        return f"query {self.name!r} failed: {self.type}: {self.text}"


@dataclass(eq=False, repr=False)
class UpdateFailedError(RequestError):
    """The handler of an update raised; the run goes on."""

    code: ClassVar[str] = "HF612"

    run_id: str
    name: str
    type: str
    text: str
    traceback: str = ""

    def message(self) -> str:
        """Name the update, what its handler raised, and what that means for the run."""
        return (
            f"update {self.name!r} of run {self.run_id!r} failed: {self.type}: {self.text}\n"
            "The failure is recorded as the update's answer. The run goes on."
        )


@dataclass(eq=False, repr=False)
class NoOrchestratorError(RequestError):
    """Nobody who could answer is alive."""

    code: ClassVar[str] = "HF607"

    what: str

    def message(self) -> str:
        """Say what was asked and what to start."""
        return f"no orchestrator answered {self.what}\nStart one: holdfast orchestrator MODULE (or holdfast dev MODULE)"


@dataclass(eq=False, repr=False)
class RunStateError(RequestError):
    """The run is not in a state in which this can be done."""

    code: ClassVar[str] = "HF608"

    run_id: str
    status: str
    what: str
    """What cannot be done, such as `resumed`."""
    remedy: str = ""

    def message(self) -> str:
        """Name the run, its state, and what there is to do instead."""
        return f"run {self.run_id!r} is {self.status} and cannot be {self.what}" + (
            f"\n{self.remedy}" if self.remedy else ""
        )


class CallbackError(RequestError):
    """A callback that was never made: its token is wrong."""

    code: ClassVar[str] = "HF609"

    def message(self) -> str:
        """Say all that anybody may know."""
        return (
            "this callback is not good: nobody who has this store's key has made it\n"
            "Post to the whole URL that you were given, unchanged; or ask whoever gave it to you for another one."
        )


@dataclass(eq=False, repr=False)
class CallbackGoneError(CallbackError):
    """A callback that was made here, and that nobody waits for any more."""

    code: ClassVar[str] = "HF611"

    why: str
    """Such as `it was answered before`."""

    def message(self) -> str:
        """Say why it takes no answer."""
        return (
            f"this callback takes no answer: {self.why}\n"
            "The answer was not kept. Ask whoever gave you the URL for another one, if an answer is still wanted."
        )


@dataclass(eq=False, repr=False)
class ForkError(RequestError):
    """A run cannot be forked like that."""

    code: ClassVar[str] = "HF610"

    execution: str
    what: str
    """What it does not have, such as `step charge#1`."""
    remedy: str

    def message(self) -> str:
        """Name the run, what it was asked for, and what there is."""
        return f"{self.execution!r} cannot be forked: {self.what}\n{self.remedy}"


@dataclass(eq=False, repr=False)
class BacklogFullError(RequestError):
    """Too many runs wait for an orchestrator; no more are started."""

    code: ClassVar[str] = "HF620"

    limit: int

    def message(self) -> str:
        """Say how many wait, and what to do."""
        return (
            f"{self.limit:,} runs wait for an orchestrator already (backlog_max), and nothing was started\n"
            "Start more orchestrators: holdfast orchestrator MODULE. Then send this again."
        )


@dataclass(eq=False, repr=False)
class KeyReusedError(RequestError):
    """The idempotency key was used for another request."""

    code: ClassVar[str] = "HF621"

    key: str

    def message(self) -> str:
        """Name the key, and say what it is for."""
        return (
            f"idempotency key {self.key!r} was used for another request\n"
            "A key names one request: send the very same again to get its answer, or another request under another key."
        )


@dataclass(eq=False, repr=False)
class KeyInUseError(RequestError):
    """A request with this idempotency key is being carried out."""

    code: ClassVar[str] = "HF622"

    key: str

    def message(self) -> str:
        """Name the key, and say when to come back."""
        return (
            f"a request with idempotency key {self.key!r} is being carried out and has no answer yet\n"
            "Send it again in a moment: then it has its answer."
        )


@dataclass(eq=False, repr=False)
class KeyNameError(RequestError):
    """An API key cannot have, or cannot go on having, this name."""

    code: ClassVar[str] = "HF623"

    name: str
    what: str
    """What is in the way."""
    remedy: str

    def message(self) -> str:
        """Name the key, what is in the way, and what to do."""
        return f"API key {self.name!r} {self.what}\n{self.remedy}"


@dataclass(eq=False, repr=False)
class SignatureError(RequestError):
    """A delivery to a webhook that was not signed as it has to be."""

    code: ClassVar[str] = "HF630"

    reason: str
    """Why, for the inbox. Callers are told the same whatever it was."""

    def message(self) -> str:
        """Say all that anybody may know."""
        return (
            "this delivery's signature is not good: it is missing, forged, too old or too new, or not for this body\n"
            "Whoever runs this system finds the reason in its inbox: holdfast deliveries list"
        )


@dataclass(eq=False, repr=False)
class DeliveryError(RequestError):
    """A genuine delivery of which no run and no signal could be made."""

    code: ClassVar[str] = "HF631"

    webhook: str
    what: str
    remedy: str = ""

    def message(self) -> str:
        """Name the webhook and what did not fit."""
        remedy = f"\n{self.remedy}" if self.remedy else ""
        return f"webhook {self.webhook!r} could not take the delivery: {self.what}{remedy}"


class DeliveryConflictError(DeliveryError):
    """A delivery that says it is one that came before, and is not."""

    code: ClassVar[str] = "HF632"


@dataclass(eq=False, repr=False)
class ScheduleError(RequestError):
    """A schedule does not allow what was asked of it."""

    code: ClassVar[str] = "HF640"

    schedule: str
    what: str
    remedy: str = ""

    def message(self) -> str:
        """Name the schedule, what is in the way, and what there is to do."""
        return f"schedule {self.schedule!r} {self.what}" + (f"\n{self.remedy}" if self.remedy else "")


@dataclass(eq=False, repr=False)
class HttpError(RequestError):
    """A request that is wrong as HTTP, whatever it asks for."""

    code: ClassVar[str] = "HF650"

    what: str

    def message(self) -> str:
        """Say what is wrong with it."""
        return self.what


class UnauthenticatedError(HttpError):
    """A request that shows no API key, or none that is valid."""

    code: ClassVar[str] = "HF651"


class NotAllowedError(HttpError):
    """A request for what its API key, or the page it comes from, may not do."""

    code: ClassVar[str] = "HF652"


class MediaTypeError(HttpError):
    """A body that says it is something else than JSON in UTF-8."""

    code: ClassVar[str] = "HF653"


class TooManyRequestsError(HttpError):
    """More requests than a key may make, or than are served at a time."""

    code: ClassVar[str] = "HF654"


# --- Leases ------------------------------------------------------------------------------------------------------


class LeaseError(HoldfastError):
    """Somebody else holds it, or took it."""

    code: ClassVar[str] = "HF700"


@dataclass(eq=False, repr=False)
class LeaseHeld(LeaseError):  # noqa: N818 - a public name of the contract
    """Somebody who is alive holds this lease."""

    code: ClassVar[str] = "HF701"

    name: str
    holder: str

    def message(self) -> str:
        """Name the lease and its holder."""
        return f"{self.name!r} is held by {self.holder}, which is alive\nTry again after it has finished or died."


@dataclass(eq=False, repr=False)
class LeaseLost(LeaseError):  # noqa: N818 - a public name of the contract
    """The lease expired and somebody else may hold it now."""

    code: ClassVar[str] = "HF702"

    name: str

    def message(self) -> str:
        """Name the lease and the consequence."""
        return (
            f"the lease on {self.name!r} was lost: its owner was silent for too long\n"
            "The write was refused and nothing was changed; whoever holds the lease now does the work."
        )


@dataclass(eq=False, repr=False)
class LockLost(LeaseError):  # noqa: N818 - a public name of the contract
    """The lock was broken or re-granted; its old token is refused."""

    code: ClassVar[str] = "HF703"

    name: str
    token: int

    def message(self) -> str:
        """Name the lock and the token that no longer counts."""
        return f"lock {self.name!r} is no longer held with token {self.token}: it was broken or given to another"


@dataclass(eq=False, repr=False)
class AlreadyProcessed(LeaseError):  # noqa: N818 - a public name of the contract
    """The ledger says this is done."""

    code: ClassVar[str] = "HF704"

    name: str

    def message(self) -> str:
        """Name the entry."""
        return f"{self.name!r} was already processed: its result stands in the ledger"


@dataclass(eq=False, repr=False)
class FencedError(LeaseError):
    """A write by a member that is no longer the newest owner."""

    code: ClassVar[str] = "HF705"

    what: str
    status: str = ""
    """How the run stands where it was set aside from outside: `PARKED` or `PAUSED`."""

    def message(self) -> str:
        """Name the write that was refused."""
        if self.status:
            return f"{self.what} was refused: the run is {self.status}, and nobody owns it until it is resumed"
        return f"{self.what} was refused: its author lost the lease and the work has another owner now"


@dataclass(eq=False, repr=False)
class InboxUnreadError(LeaseError):
    """An execution may not close while it has mail it has not read."""

    code: ClassVar[str] = "HF706"

    execution_id: int

    def message(self) -> str:
        """Say what has to happen first; only the orchestrator ever sees this."""
        return f"execution {self.execution_id} has unread messages: advance with them, then close"


# --- Store, settings, extras -------------------------------------------------------------------------------------


@dataclass(eq=False, repr=False)
class StoreError(HoldfastError):
    """The store cannot do what was asked."""

    code: ClassVar[str] = "HF800"

    what: str = ""
    remedy: str = ""

    is_told = False  # whether the log has it already, as an outage of the server: no field, and it does not travel

    def message(self) -> str:
        """Say what failed and what to do."""
        return self.what + (f"\n{self.remedy}" if self.remedy else "")


class StoreBusyError(StoreError):
    """Another process kept the store's turn for too long."""

    code: ClassVar[str] = "HF801"


class StoreFullError(StoreError):
    """The disk under the store is full; nothing of the write was kept."""

    code: ClassVar[str] = "HF802"


class StoreCorruptError(StoreError):
    """The store's content is damaged."""

    code: ClassVar[str] = "HF803"


class SchemaError(StoreError):
    """The store's schema is older or newer than this program."""

    code: ClassVar[str] = "HF804"


@dataclass(eq=False, repr=False)
class EncryptionError(HoldfastError):
    """What is stored is encrypted, and cannot be decrypted here."""

    code: ClassVar[str] = "HF810"

    what: str
    key_id: str
    reason: str

    def message(self) -> str:
        """Name what cannot be decrypted and the key it needs."""
        return (
            f"{self.what} is encrypted with key {self.key_id} and cannot be decrypted: {self.reason}\n"
            "Give every process that uses the store the same keys, the newest first: encryption_keys"
        )


@dataclass(eq=False, repr=False)
class TransactionError(HoldfastError):
    """A `transaction` or `enqueue` cannot be carried out on this connection."""

    code: ClassVar[str] = "HF820"

    what: str
    remedy: str = ""
    where: str = ""

    def message(self) -> str:
        """Say what is wrong with the connection or the call, where, and what to write instead."""
        place = f"  ({self.where})" if self.where else ""
        return f"{self.what}{place}" + (f"\n{self.remedy}" if self.remedy else "")


@dataclass(eq=False, repr=False)
class SettingsError(HoldfastError):
    """A setting is wrong."""

    code: ClassVar[str] = "HF901"

    what: str
    remedy: str = ""

    def message(self) -> str:
        """Name the setting and what it should be."""
        return self.what + (f"\n{self.remedy}" if self.remedy else "")


@dataclass(eq=False, repr=False)
class UsageError(HoldfastError):
    """A command line that cannot be carried out as it is."""

    code: ClassVar[str] = "HF904"

    what: str
    remedy: str

    def message(self) -> str:
        """Say what is wrong with the command line and what to type."""
        return f"{self.what}\n{self.remedy}"


@dataclass(eq=False, repr=False)
class MissingExtraError(HoldfastError):
    """A part of Holdfast that is not installed was asked for."""

    code: ClassVar[str] = "HF902"

    part: str
    extra: str

    def message(self) -> str:
        """Name the part and the command that installs it."""
        return f"{self.part} is not installed\nInstall it: pip install 'holdfast[{self.extra}]'"


@dataclass(eq=False, repr=False)
class WorldStuckError(HoldfastError):
    """A test waits in a `World` for something that no time brings."""

    code: ClassVar[str] = "HF903"

    waited_for: str
    now: str
    runs: tuple[str, ...] = ()
    """The runs that have not ended, and what each waits for."""

    def message(self) -> str:
        """Name what was waited for, and every run that may be meant."""
        lines = "".join(f"\n  {each}" for each in self.runs)
        return (
            f"{self.waited_for} does not come: it is {self.now} in this world, and nothing is due any more{lines}\n"
            "Send what the run waits for before asking, or look at its events: world.history(run)"
        )
