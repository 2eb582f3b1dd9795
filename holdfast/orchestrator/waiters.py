"""Who waits in this process for the end of a run, or for the answer to an update.

Owns: the futures, and what each is told.
Must not know: how runs end and updates are answered, the store.

A future that is cancelled says: look elsewhere. The run left this process, or goes on as another execution.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from holdfast.errors import RunClosedError
from holdfast.history import UpdateCompleted
from holdfast.orchestrator.live import Live
from holdfast.ports.engine import Outcome


class Waiters:
    """Keeps the futures of those who wait for runs that this process owns."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        self._answers: dict[tuple[int, str], list[asyncio.Future[UpdateCompleted]]] = {}
        self._ends: dict[str, list[asyncio.Future[Outcome]]] = {}

    def for_answer(self, live: Live, update_id: str) -> asyncio.Future[UpdateCompleted]:
        """Return a future of the durable answer to an update."""
        future: asyncio.Future[UpdateCompleted] = asyncio.get_running_loop().create_future()
        self._answers.setdefault((live.execution_id, update_id), []).append(future)
        return future

    def for_end(self, run_id: str) -> asyncio.Future[Outcome]:
        """Return a future of how a run ends."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._ends.setdefault(run_id, []).append(future)
        return future

    def answered(self, live: Live, event: UpdateCompleted) -> None:
        """Tell a durable answer."""
        live.updates[event.update_id] = event
        if live.goes_on and event.update_id in live.execution.turned_away:
            _cancel_all(self._answers.pop((live.execution_id, event.update_id), ()))
            return  # no code has seen it: it is for the execution that follows
        for future in self._answers.pop((live.execution_id, event.update_id), ()):
            if not future.done():
                future.set_result(event)

    def ended(self, live: Live, outcome: Outcome) -> None:
        """Tell how a run ended, and that no update of it is answered any more."""
        for future in self._ends.pop(live.run_id, ()):
            if not future.done():
                future.set_result(outcome)
        for update_id in live.updates:
            for answer in self._answers.pop((live.execution_id, update_id), ()):
                if not answer.done():
                    answer.set_exception(RunClosedError(live.run_id, outcome.status))

    def send_elsewhere(self, live: Live, *, for_end: bool) -> None:
        """Let go of who waits for an execution that left memory; for its run's end, too, if it was the newest here."""
        if for_end:
            _cancel_all(self._ends.pop(live.run_id, ()))
        for update_id, answer in live.updates.items():
            if answer is None:
                _cancel_all(self._answers.pop((live.execution_id, update_id), ()))

    def close(self) -> None:
        """Let go of everybody."""
        for ends in self._ends.values():
            _cancel_all(ends)
        for answers in self._answers.values():
            _cancel_all(answers)


def _cancel_all(futures: Iterable[asyncio.Future[Any]]) -> None:
    for future in futures:
        future.cancel()
