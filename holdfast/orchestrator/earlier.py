"""What updates of a run were answered before it went on as the execution in memory.

Owns: those answers, from this process's memory or from the histories of the executions before.
Must not know: how an update is accepted, and how its answer reaches whoever asked.

An update that is asked again is the same update, and its run may have gone on as a new execution between: the answer to
the commit was lost, or the owner died after it. The new execution's own history does not know the update then. So the
first question that an execution does not know has those looked up that were answered shortly before it began. Where the
execution before was in this process's memory, that costs nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from holdfast.engine import CUT_OFF
from holdfast.history import AnyEvent, UpdateAccepted, UpdateCompleted, WorkflowStarted
from holdfast.orchestrator.live import Live
from holdfast.orchestrator.loading import read_history
from holdfast.orchestrator.offspring import number_of
from holdfast.ports.store import Store

AGAIN_SECONDS: Final = 300.0
"""An update is known again for so long after its execution, at least."""
EXECUTIONS_MAX: Final = 20
"""So many executions are read, at most: those of a run that goes on all the time are in memory, where it does."""
ANSWERS_MAX: Final = 1_000
"""So many answers of one run are kept in memory, the newest."""
RUNS_MAX: Final = 10_000
"""Those of so many runs are, the ones that went on last."""


class Earlier:
    """Knows what was answered before."""

    def __init__(self, store: Store) -> None:
        """Read what is not in memory from `store`."""
        self._store = store
        self._kept: OrderedDict[str, tuple[int, dict[str, UpdateCompleted]]] = OrderedDict()
        """Run to the number of its last execution that went on from here, and what was answered until then."""

    def keep(self, live: Live) -> None:
        """Keep the answers of an execution that goes on as another one."""
        if live.earlier is None and _goes_on(live):
            return  # nobody has asked it anything here: it does not know what was before it
        turned_away = live.execution.turned_away
        answers = dict(live.earlier or {})
        answers |= {
            update_id: each for update_id, each in live.updates.items() if each and update_id not in turned_away
        }
        for old in list(answers)[: max(len(answers) - ANSWERS_MAX, 0)]:
            del answers[old]
        self._kept[live.run_id] = (number_of(live), answers)
        self._kept.move_to_end(live.run_id)
        if len(self._kept) > RUNS_MAX:
            self._kept.popitem(last=False)

    async def look_up(self, live: Live) -> None:
        """Let an execution know what was answered before it.

        Raises:
            StoreError: the histories before cannot be read.
        """
        answers: dict[str, UpdateCompleted] = {}
        if _goes_on(live):
            number = number_of(live)
            last, answers = self._kept.get(live.run_id, (0, answers))
            if last != number - 1:
                answers = await self._read(live, number)
        live.earlier = answers

    async def _read(self, live: Live, number: int) -> dict[str, UpdateCompleted]:
        started = live.execution.runtime.started
        assert started is not None
        began, answers = started.time, dict[str, UpdateCompleted]()
        for before in range(number - 1, max(number - 1 - EXECUTIONS_MAX, 0), -1):
            record = await self._store.run(f"{live.run_id}@{before}")
            if record is None:
                break  # it was pruned
            events, _, _ = await read_history(self._store, record.execution_id, record.run_id, record.execution)
            answers = _answers_of(events) | answers
            first = events[0]
            if not (isinstance(first, WorkflowStarted) and first.continued) or first.time < began - AGAIN_SECONDS:
                break
        return answers


def _goes_on(live: Live) -> bool:
    """Say whether an execution is what its run went on as, and not another run under the same id."""
    started = live.execution.runtime.started
    return started is not None and bool(started.continued)


def _answers_of(events: list[AnyEvent]) -> dict[str, UpdateCompleted]:
    """Return the answers in the history of an execution that went on, but to updates that its code never saw."""
    accepted: dict[str, int] = {}
    answers: dict[str, UpdateCompleted] = {}
    for event_id, event in enumerate(events, 1):
        match event:
            case UpdateAccepted(update_id=update_id):
                accepted[update_id] = event_id
            case UpdateCompleted(update_id=update_id, failure=failure, cause=cause):
                if failure != CUT_OFF or cause != accepted.get(update_id):
                    answers[update_id] = event
            case _:
                pass
    return answers
