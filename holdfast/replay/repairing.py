"""Proposals for one run that failed or is parked, and their proof on runs that fared alike.

Owns: what a proposal changes, which step of a run came to nothing, and what counts as a proof.
Must not know: how proposals come about, who applies them.

A proof is a replay, and nobody is called: of today's code only what has recorded calls is run, against the answers that
it was given; and a result that is put in place stands for the step that failed. It holds when the run gets past where
it stands now. What was made from a run proves nothing on it, so that is tried on others that failed in the same step,
in the same way. Today's code was made from none, and is tried on all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec

from holdfast.authoring import Module, WorkflowDefinition
from holdfast.errors import HoldfastError, InputError
from holdfast.history import (
    AnyEvent,
    Exchange,
    Failure,
    History,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TaskTimedOut,
    WorkflowFailed,
)
from holdfast.ports.mappings import Step, apply_mapping, say_step
from holdfast.ports.operations import RunFilter, RunRecord
from holdfast.ports.store import Store
from holdfast.ports.task import TaskCall
from holdfast.replay.captures import read_run
from holdfast.replay.crew import Caller, Crew, Done, TodaysCode
from holdfast.replay.proving import PROOFS_MAX, Proof
from holdfast.replay.replayer import RERUN_FAILED, WorkflowReplayer
from holdfast.replay.rerun import Raise, Rerun
from holdfast.replay.result import Verdict
from holdfast.replay.tasks import KnownTasks

ALIKE_MAX: Final = PROOFS_MAX
"""On how many other runs a proposal is tried, at most."""
LOOKED_AT_MAX: Final = 10
"""How many runs are looked at for each that is wanted."""
SHOWN_CHARACTERS_MAX: Final = 60

_NOT_RUN: Final = "made no calls that are recorded, and nothing else is run for a proof"

UNRECORDED: Final = "the step it is at"
"""What is said of a run that was parked before the call that parked it was recorded."""

FAILED_OUTCOMES: Final = (TaskFailed, TaskTimedOut)


class Change(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is to be other when a run goes on."""

    kind: Literal["code", "input", "result"]
    """`code` is nothing but today's code, `input` the run's input, `result` what the step that failed came to."""
    steps: tuple[Step, ...] = ()
    """For `input`: how it becomes what is expected."""
    result: msgspec.Raw = msgspec.Raw()
    """For `result`: what stands for it, as JSON."""

    def words(self) -> str:
        """Say it in words."""
        match self.kind:
            case "code":
                return "do it again with the code on disk"
            case "input":
                return "input: " + "; ".join(say_step(each) for each in self.steps)
            case _:
                text = bytes(self.result).decode("utf-8", "replace")
                return f"result: {text if len(text) <= SHOWN_CHARACTERS_MAX else text[:SHOWN_CHARACTERS_MAX] + '…'}"


_decode: Final = msgspec.json.Decoder(Change).decode


def decode_change(content: bytes) -> Change:
    """Return a change written as JSON. Raises msgspec.ValidationError, msgspec.DecodeError, ValueError."""
    change = _decode(content)
    if (change.kind == "input") != bool(change.steps) or (change.kind == "result") != bool(bytes(change.result)):
        raise ValueError(f"a change of kind {change.kind} says what belongs to it, and nothing else")
    return change


class Stuck(msgspec.Struct, frozen=True):
    """Where a run stands that failed or is parked."""

    step: str
    """The task's step that came to nothing; empty where the run's own code failed."""
    task: str
    error: str
    """Name of the exception class; empty where it is not recorded."""
    message: str
    event: int
    """Id of the last event that is kept when the run's own code is to go on with other code."""

    def is_like(self, other: Stuck) -> bool:
        """Say whether another run stands in the same way."""
        return (self.task, self.error) == (other.task, other.error)


class Alike(msgspec.Struct, frozen=True):
    """A run that stands where another one does."""

    record: RunRecord
    history: History
    stuck: Stuck


class RunProposal(msgspec.Struct, frozen=True):
    """A change that may let a run go on, and its proof."""

    change: Change
    made_from: str
    """The run it was made from; empty where it was made from none, or somebody wrote it."""
    proof: Proof


Find: TypeAlias = Callable[[str], WorkflowDefinition[Any, Any]]


def find_stuck(history: History) -> Stuck:
    """Return where a run stands that failed or is parked."""
    events = history.events
    asked = {each.step: each.task for each in events if isinstance(each, TaskScheduled)}
    last = events[-1]
    if isinstance(last, WorkflowFailed):
        failed = [each for each in events if isinstance(each, FAILED_OUTCOMES) and each.step in asked]
        named = [each for each in failed if f"task {each.step} " in last.failure.message]
        if named:
            outcome = named[-1]
            failure = outcome.failure
            return Stuck(outcome.step, asked[outcome.step], failure.type, failure.message, 0)
        return Stuck("", "", last.failure.type, last.failure.message, len(events) - 1)
    ended = {each.step for each in events if isinstance(each, (TaskCompleted, *FAILED_OUTCOMES))}
    under_way = [step for step in asked if step not in ended]
    called = [step for step in under_way if step in history.exchanges]
    step = next(iter(called or under_way or history.exchanges), UNRECORDED)
    return Stuck(step, asked.get(step, ""), "", "", 0)


async def read_alike(store: Store, record: RunRecord, stuck: Stuck, limit: int = ALIKE_MAX) -> list[Alike]:
    """Return other runs that stand in the same way, newest first.

    Args:
        store: where they are.
        record: the run they are to be like.
        stuck: where it stands.
        limit: how many, at most; LOOKED_AT_MAX are looked at for each.

    Raises:
        StoreError: the store cannot be read.
        HistoryError: a history is not what was written.
    """
    found: list[Alike] = []
    where = RunFilter(workflow=record.workflow, statuses=(record.status,), error=stuck.error or record.parked)
    cursor: str | None = None
    looked_at = 0
    while len(found) < limit and looked_at < limit * LOOKED_AT_MAX:
        records, cursor = await store.runs(where=where, cursor=cursor, limit=50)
        for each in records:
            looked_at += 1
            if each.execution_id == record.execution_id or len(found) == limit:
                continue
            history = await read_run(store, each.execution_id)
            stands = find_stuck(history)
            if stands.is_like(stuck):
                found.append(Alike(each, history, stands))
        if cursor is None:
            break
    return found


def try_change(change: Change, histories: Iterable[History], find: Find, modules: Iterable[Module] = ()) -> Proof:
    """Try a change on runs that it was not made from."""
    proven: list[str] = []
    refuted: list[tuple[str, str]] = []
    for history in histories:
        name = history.started.run_id
        problem = _problem(change, history, find, modules)
        if problem:
            refuted.append((name, problem))
        else:
            proven.append(name)
    return Proof(tuple(proven), tuple(refuted))


def repair_run(
    history: History,
    alike: Sequence[History],
    changes: Iterable[Change],
    find: Find,
    modules: Iterable[Module] = (),
) -> list[RunProposal]:
    """Return proposals for a run with their proofs, those that hold first.

    Args:
        history: the run.
        alike: others that stand in the same way.
        changes: what is proposed.
        find: returns a workflow by name; raises UnknownNameError.
        modules: where the code of tasks is, besides the workflows' own modules.
    """
    found: list[RunProposal] = []
    for change in changes:
        own = change.kind == "code"
        proof = try_change(change, [history, *alike] if own else alike, find, modules)
        found.append(RunProposal(change, "" if own else history.started.run_id, proof))
    return sorted(found, key=lambda each: not each.proof.holds)


def edited_input(change: Change, payload: bytes) -> bytes:
    """Return a run's input with a change, as JSON text. Raises InputError: it is no JSON."""
    try:
        return msgspec.json.encode(apply_mapping(change.steps, msgspec.json.decode(payload)))
    except msgspec.DecodeError as error:
        raise InputError("the input of the run", (("", str(error)),)) from None


def _problem(change: Change, history: History, find: Find, modules: Iterable[Module]) -> str:
    """Return why a run does not get past where it stands; empty when it does."""
    stuck = find_stuck(history)
    try:
        replayer = _Trial(find(history.started.workflow), modules, change, stuck)
        result = replayer.replay(replayer.changed(history))
    except HoldfastError as error:
        return error.message().partition("\n")[0]
    if result.verdict not in (Verdict.IDENTICAL, Verdict.COMPATIBLE_NEW_TAIL):
        return f"its code does not fit its history any more: {result.verdict}"
    done = replayer.done.get(stuck.step)
    if stuck.step and done is None:
        return f"{stuck.step} {_NOT_RUN}"
    if result.failure is not None:
        return f"it fails: {result.failure.type}: {result.failure.message}"
    if done is None:
        return ""
    outcome, went_beyond = done
    if not isinstance(outcome, TaskCompleted) and not went_beyond:
        return f"{stuck.step} fails: {outcome.failure.message}"
    return ""


class _Trial(WorkflowReplayer):
    """Replays a run as if a change had been made, and calls nobody."""

    def __init__(self, workflow: Any, modules: Iterable[Module], change: Change, stuck: Stuck) -> None:
        super().__init__(workflow, tasks=RERUN_FAILED, modules=modules)
        self.done: dict[str, tuple[Done, bool]] = {}
        """Outcomes of the steps that were done again, and whether they got to a call that was never made."""
        self._change = change
        self._stuck = stuck

    def changed(self, history: History) -> History:
        """Return a history as if its run had begun with another input."""
        if self._change.kind != "input":
            return history
        first = history.started
        assert isinstance(first.input, bytes), "the history is whole"
        begun = msgspec.structs.replace(first, input=edited_input(self._change, first.input))
        events: list[AnyEvent] = [begun, *history.events[1:]]
        return History(events, history.outcomes, exchanges=history.exchanges)

    def _crew(self, known: KnownTasks, history: History) -> Any:
        if self._change.kind == "result":
            return _Given(self._stuck, bytes(self._change.result), known, self._note)
        return _Recorded(known, history.exchanges, self._note)

    def _rerun_of(self, history: History, crew: Crew, raise_child: Raise) -> Rerun:
        if self._change.kind != "input":
            return super()._rerun_of(history, crew, raise_child)
        return _FromStart(history, crew, raise_child)

    def _note(self, done: Done, went_beyond: bool) -> None:  # noqa: FBT001 - as a crew tells it
        self.done[done.step] = (done, went_beyond)


class _FromStart(Rerun):
    """A replay that takes nothing as given but the start."""

    def _find_start(self) -> int:
        return 1


class _Recorded(TodaysCode):
    """Runs today's code of steps that have recorded calls, and of no others."""

    def __init__(
        self,
        tasks: KnownTasks,
        exchanges: Mapping[str, Sequence[Exchange]],
        done: Callable[[Done, bool], None],
    ) -> None:
        super().__init__(tasks, exchanges, strict=True, done=done)
        self._steps = frozenset(exchanges)

    def perform(self, call: TaskCall, now: float) -> Done:
        """Run a step, unless what it does would be done in the world."""
        if call.step in self._steps:
            return super().perform(call, now)
        return TaskFailed(now, -1, call.step, Failure("NotRunError", f"{call.step} {_NOT_RUN}"))


class _Given:
    """Puts a result in the place of one step's failure, and does nothing else. Implements `Crew`."""

    call: Caller | None = None

    def __init__(self, stuck: Stuck, result: bytes, known: KnownTasks, done: Callable[[Done, bool], None]) -> None:
        self.ran: list[str] = []
        self._stuck = stuck
        self._result = result
        self._known = known
        self._done = done

    def does_again(self, task: str, *, failed: bool) -> bool:
        """Say whether it is the task that failed."""
        return failed and task == self._stuck.task

    def does(self, task: str, step: str) -> bool:
        """Say whether it is the step that came to nothing."""
        return (task, step) == (self._stuck.task, self._stuck.step)

    def perform(self, call: TaskCall, now: float) -> Done:
        """Return the result, where it is one of the task's."""
        done: Done = TaskCompleted(now, -1, call.step, self._result)
        definition = self._known.find(call.task)
        if definition is not None:
            try:
                definition.signature.decode_result(self._result)
            except InputError as unfit:
                done = TaskFailed(now, -1, call.step, Failure("InputError", unfit.message()))
        self._done(done, False)
        return done

    def close(self) -> None:
        """Do nothing."""
