"""Proposals for runs that met a changed answer, and their proof on other runs than those they were made from.

Owns: which recorded runs a proposal is made from, which prove it, and what counts as a proof.
Must not know: how proposals come about (rules, a model, a person), who applies them.

A proof is a replay: the attempt that stumbled is made again with today's code, against the answer over which it
stumbled, with the proposal applied. Nobody is called, and only steps that have recorded calls are done. It holds when
the step gets its result, or gets to a call that was never made, and the run goes on. One run is not enough: what was
made from an answer fits that answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from holdfast.authoring import Module, WorkflowDefinition
from holdfast.errors import HoldfastError
from holdfast.history import Exchange, History, TaskCompleted
from holdfast.ports.contracts import Contract, breaks, differences
from holdfast.ports.mappings import Step
from holdfast.ports.operations import DriftRecord, ProposedMapping, is_proof
from holdfast.ports.store import Store
from holdfast.replay.captures import read_run
from holdfast.replay.crew import Done, TodaysCode
from holdfast.replay.replayer import RERUN_FAILED, WorkflowReplayer
from holdfast.replay.result import Verdict
from holdfast.replay.tasks import KnownTasks

PROOFS_MAX: Final = 20
"""On how many runs a proposal is tried, at most."""


class Proof(msgspec.Struct, frozen=True):
    """What came of trying a proposal."""

    proven: tuple[str, ...] = ()
    """Runs that go on with it."""
    refuted: tuple[tuple[str, str], ...] = ()
    """Runs that do not, and why."""

    @property
    def holds(self) -> bool:
        """Whether some run goes on with it, and none does not."""
        return is_proof(self.proven, self.refuted)


class Proposal(msgspec.Struct, frozen=True):
    """A mapping that may undo a drift, and its proof."""

    steps: tuple[Step, ...]
    made_from: str
    """The run whose answer it was made from; empty where somebody wrote it."""
    proof: Proof

    def kept(self) -> ProposedMapping:
        """Return it as a report keeps it: without the words of failures, in which there may be anything."""
        refuted = tuple(run_id for run_id, _ in self.proof.refuted)
        return ProposedMapping(self.steps, self.made_from, self.proof.proven, refuted)


async def read_drifted(store: Store, drift: int) -> list[History]:
    """Return runs that are parked under a report and have recorded calls, oldest first; at most PROOFS_MAX + 1.

    Raises:
        StoreError: the store cannot be read.
        HistoryError: a history is not what was written.
    """
    return [await read_run(store, each) for each in await store.drifted(drift, PROOFS_MAX + 1)]


def find_drifted(record: DriftRecord, histories: Iterable[History]) -> Exchange | None:
    """Return the call over which the first of these runs stumbled that did over one."""
    return next((call for each in histories if (call := _drifted_call(record, each)) is not None), None)


def repair_drift(
    record: DriftRecord,
    histories: Sequence[History],
    find: Callable[[str], WorkflowDefinition[Any, Any]],
    propose: Callable[[Exchange], Iterable[tuple[Step, ...]]],
    modules: Iterable[Module] = (),
    contract: Contract | None = None,
) -> list[Proposal]:
    """Return proposals for a report, made from the first run and proven on the others, those that hold first.

    Args:
        record: the report.
        histories: runs that are parked under it, with their recorded calls.
        find: returns a workflow by name; raises UnknownNameError.
        propose: returns mappings for a recorded answer.
        modules: where the code of tasks is, besides the workflows' own modules.
        contract: what was learned of the answers before, where that is what they break.
    """
    found: list[Proposal] = []
    for number, history in enumerate(histories):
        exchange = _drifted_call(record, history)
        if exchange is None:
            continue
        others = [*histories[:number], *histories[number + 1 :]]
        for steps in propose(exchange):
            proof = prove(record, steps, others, find, modules, contract)
            found.append(Proposal(steps, history.started.run_id, proof))
        break
    return sorted(found, key=lambda each: not each.proof.holds)


def prove(
    record: DriftRecord,
    steps: tuple[Step, ...],
    histories: Iterable[History],
    find: Callable[[str], WorkflowDefinition[Any, Any]],
    modules: Iterable[Module] = (),
    contract: Contract | None = None,
) -> Proof:
    """Try a mapping on runs that it was not made from."""
    proven: list[str] = []
    refuted: list[tuple[str, str]] = []
    for history in histories:
        if _drifted_call(record, history) is None:
            continue
        name = history.started.run_id
        problem = _problem(record, steps, history, find, modules, contract)
        if problem:
            refuted.append((name, problem))
        else:
            proven.append(name)
    return Proof(tuple(proven), tuple(refuted))


def _problem(
    record: DriftRecord,
    steps: tuple[Step, ...],
    history: History,
    find: Callable[[str], WorkflowDefinition[Any, Any]],
    modules: Iterable[Module],
    contract: Contract | None,
) -> str:
    """Return why a run does not go on with a mapping; empty when it does."""
    calls = history.exchanges
    if contract is not None:
        calls, problem = _as_before(record, steps, calls, contract)
        if problem:
            return problem
    try:
        replayer = _Proving(find(history.started.workflow), modules, {record.endpoint: steps}, calls)
        result = replayer.replay(history)
    except HoldfastError as error:
        return str(error)
    if result.verdict not in (Verdict.IDENTICAL, Verdict.COMPATIBLE_NEW_TAIL):
        return f"its code does not fit its history any more: {result.verdict}"
    if not replayer.done:
        return "no step of it was done again"
    for done, went_beyond in replayer.done:
        if not isinstance(done, TaskCompleted) and not went_beyond:
            return f"{done.step} fails: {done.failure.message}"
    return ""


def _as_before(
    record: DriftRecord, steps: tuple[Step, ...], calls: Mapping[str, Sequence[Exchange]], contract: Contract
) -> tuple[dict[str, tuple[Exchange, ...]], str]:
    """Return recorded calls with answers of the old shape, and in what these still break their contract."""
    from holdfast.http import endpoint_of_url, seen_of_exchange

    found: dict[str, tuple[Exchange, ...]] = {}
    problem = ""
    for step, of_step in calls.items():
        read: list[Exchange] = []
        for each in of_step:
            if each.status and endpoint_of_url(each.method, each.url) == (record.host, record.endpoint):
                seen, as_before = seen_of_exchange(each, steps)
                read.append(as_before)
                differing = differences(contract, seen)
                if breaks(differing):
                    first = differing[0]
                    problem = f"{first.path or 'its answer'} still is {first.found}, not {first.expected}"
            else:
                read.append(each)
        found[step] = tuple(read)
    return found, problem


class _Proving(WorkflowReplayer):
    """Replays a run as if a mapping held, and calls nobody."""

    def __init__(
        self,
        workflow: Any,
        modules: Iterable[Module],
        mappings: Mapping[str, tuple[Step, ...]],
        calls: Mapping[str, Sequence[Exchange]],
    ) -> None:
        super().__init__(workflow, tasks=RERUN_FAILED, modules=modules)
        self.done: list[tuple[Done, bool]] = []
        """Outcomes of the steps that were done again, and whether they got to a call that was never made."""
        self._mappings = mappings
        self._calls = calls

    def _crew(self, known: KnownTasks, history: History) -> TodaysCode:  # noqa: ARG002 - its calls may read otherwise
        return TodaysCode(
            known, self._calls, strict=True, mappings=self._mappings, done=lambda *each: self.done.append(each)
        )


def _drifted_call(record: DriftRecord, history: History) -> Exchange | None:
    """Return the call of a run over which it stumbled."""
    from holdfast.http import endpoint_of_url

    for calls in history.exchanges.values():
        for each in reversed(calls):
            if endpoint_of_url(each.method, each.url) == (record.host, record.endpoint):
                return each
    return None
