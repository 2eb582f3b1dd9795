"""Every open run and every capture against the code on disk, before it is deployed.

Owns: what is replayed, and which verdicts stand in the way of a deploy.
Must not know: how a replay is made, how the answer is shown.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from holdfast.authoring import Registry
from holdfast.errors import HoldfastError, StoreCorruptError, StoreError, UnknownNameError
from holdfast.history import History
from holdfast.ports.operations import PARKED, PAUSED, RUNNING, RunRecord
from holdfast.ports.store import Store
from holdfast.replay.captures import CaptureEntry, read_run
from holdfast.replay.loading import load_history
from holdfast.replay.replayer import WorkflowReplayer
from holdfast.replay.result import ReplayResult, Verdict

OPEN: Final = (RUNNING, PARKED, PAUSED)
"""Statuses of runs that the new code will have to go on with."""
PAGE: Final = 500
"""How many runs are listed at a time."""

UNKNOWN_WORKFLOW: Final = "UNKNOWN_WORKFLOW"
"""The verdict on a run whose workflow the modules do not have."""
PINNED: Final = "PINNED"
"""The verdict on a run that is for the version of the code it began with alone, which is not the one on disk."""
UNREADABLE: Final = "UNREADABLE"
"""The verdict on a history that is damaged, or that no code can be run against."""

BREAKING: Final = frozenset({Verdict.DIVERGED, Verdict.PAYLOAD_INCOMPATIBLE, UNKNOWN_WORKFLOW, UNREADABLE})


@dataclass(frozen=True, slots=True)
class Checked:
    """One history, replayed."""

    kind: str
    """`run` or `capture`."""
    run_id: str
    workflow: str
    verdict: str
    """One of `holdfast.replay.Verdict`, PINNED, UNKNOWN_WORKFLOW or UNREADABLE."""
    capture: str = ""
    """The capture's name."""
    events: int = 0
    problem: str = ""
    """The first divergence, or what else is in the way."""
    where: str = ""
    """`file:line, in function` of the code on disk."""
    divergences: int = 0

    @property
    def breaks(self) -> bool:
        """Whether the code must not be deployed as it is. A capture of a workflow that is gone breaks nothing."""
        return self.verdict in BREAKING and not (self.kind == "capture" and self.verdict == UNKNOWN_WORKFLOW)


class DeployCheck:
    """Replays histories against the workflows of a registry."""

    def __init__(self, registry: Registry, workflows: Collection[str] = ()) -> None:
        """Check against the workflows of `registry`; with `workflows`, only histories of these."""
        self._registry = registry
        self._only = frozenset(workflows)
        self._replayers: dict[str, WorkflowReplayer] = {}

    async def count(self, store: Store) -> int:
        """Return how many open runs there are, for a progress bar."""
        totals = await store.totals()
        return sum(totals.runs.get(status, 0) for status in OPEN)

    async def runs(self, store: Store) -> AsyncIterator[Checked]:
        """Replay every open run, newest first.

        Raises:
            StoreError: the store cannot be read.
        """
        for status in OPEN:
            cursor: str | None = None
            while True:
                records, cursor = await store.runs(status=status, cursor=cursor, limit=PAGE)
                for record in records:
                    if self._wanted(record.workflow):
                        yield await self._run(store, record)
                if cursor is None:
                    break

    async def elsewhere(
        self, records: Sequence[RunRecord], read: Callable[[str], Awaitable[History]]
    ) -> AsyncIterator[Checked]:
        """Replay open runs that another engine keeps.

        Args:
            records: the runs.
            read: gives the history of a run by its id; raises HoldfastError.
        """
        for record in records:
            if not self._wanted(record.workflow):
                continue
            try:
                history = await read(record.run_id)
            except HoldfastError as error:
                yield Checked("run", record.execution, record.workflow, UNREADABLE, problem=error.message())
            else:
                yield self._replayed("run", record.execution, record.workflow, history)

    def captures(self, entries: Collection[CaptureEntry]) -> Iterator[Checked]:
        """Replay captures."""
        for entry in entries:
            if entry.problem:
                yield Checked("capture", entry.run_id, entry.workflow, UNREADABLE, entry.name, problem=entry.problem)
            elif self._wanted(entry.workflow):
                yield self._capture(entry)

    def _wanted(self, workflow: str) -> bool:
        return not self._only or workflow in self._only

    async def _run(self, store: Store, record: RunRecord) -> Checked:
        name = record.execution
        if self._is_pinned(record):
            problem = f"it goes on with version {record.code_version} alone"
            return Checked("run", name, record.workflow, PINNED, problem=problem)
        try:
            history = await read_run(store, record.execution_id)
        except StoreError as error:
            if not isinstance(error, StoreCorruptError):
                raise
            return Checked("run", name, record.workflow, UNREADABLE, problem=error.message())
        except HoldfastError as error:
            return Checked("run", name, record.workflow, UNREADABLE, problem=error.message())
        return self._replayed("run", name, record.workflow, history)

    def _is_pinned(self, record: RunRecord) -> bool:
        definition = self._registry.workflows.get(record.workflow)
        return definition is not None and definition.pinned and record.code_version not in ("", definition.code_version)

    def _capture(self, entry: CaptureEntry) -> Checked:
        try:
            history = load_history(entry.path)
        except HoldfastError as error:
            return Checked("capture", entry.execution, entry.workflow, UNREADABLE, entry.name, problem=error.message())
        return self._replayed("capture", entry.execution, entry.workflow, history, entry.name)

    def _replayed(self, kind: str, name: str, workflow: str, history: History, capture: str = "") -> Checked:
        events = len(history.events)
        try:
            result = self._replayer(workflow).replay(history)
        except UnknownNameError:
            problem = "the modules have no workflow of this name"
            return Checked(kind, name, workflow, UNKNOWN_WORKFLOW, capture, events, problem)
        except HoldfastError as error:
            return Checked(kind, name, workflow, UNREADABLE, capture, events, error.message())
        problem, where = _first_problem(result)
        return Checked(
            kind, name, workflow, result.verdict.value, capture, events, problem, where, len(result.divergences)
        )

    def _replayer(self, workflow: str) -> WorkflowReplayer:
        found = self._replayers.get(workflow)
        if found is None:
            found = self._replayers[workflow] = WorkflowReplayer(self._registry.workflow(workflow))
        return found


def _first_problem(result: ReplayResult) -> tuple[str, str]:
    if result.divergences:
        first = result.divergences[0]
        recorded = first.recorded.words if first.recorded else "nothing"
        attempted = first.attempted.words if first.attempted else "nothing"
        return f"event {first.event_id}: {first.kind}: recorded {recorded}, attempted {attempted}", first.where
    if result.payload_problems:
        problem = result.payload_problems[0]
        return f"event {problem.event_id}: {problem.what}: {problem.problem}", problem.where
    return "", ""
