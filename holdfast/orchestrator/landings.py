"""What a write that came back means to its execution.

Owns: the order *applied, then dispatched* of what is durable, and what closing, parking and refusal lead to.
Must not know: how writes are made and put together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from holdfast.errors import FencedError, HoldfastError, InboxUnreadError
from holdfast.history import AnyEvent, Input, Page, TimerCancelled, TimerStarted, UpdateCompleted
from holdfast.observe import EndedRun, Meters, Tracer, logger
from holdfast.orchestrator.departures import Departures
from holdfast.orchestrator.dispatch import Dispatcher
from holdfast.orchestrator.earlier import Earlier
from holdfast.orchestrator.live import Live, outcome_of
from holdfast.orchestrator.looks import Looks
from holdfast.orchestrator.mailbox import Mailbox
from holdfast.orchestrator.memory import Memory
from holdfast.orchestrator.standing import Standing
from holdfast.orchestrator.timers import Timers
from holdfast.orchestrator.waiters import Waiters
from holdfast.ports.engine import Outcome
from holdfast.ports.operations import CONTINUED_AS_NEW

log = logger("holdfast.orchestrator")


class Landings:
    """Lets executions see what has become durable."""

    def __init__(  # noqa: PLR0913 - everything that learns of a write
        self,
        standing: Standing,
        looks: Looks,
        *,
        memory: Memory,
        timers: Timers,
        waiters: Waiters,
        dispatcher: Dispatcher,
        departures: Departures,
        mailbox: Mailbox,
        earlier: Earlier,
        meters: Meters,
        tracer: Tracer | None,
        tell_closed: Callable[[str, str], None] | None,
    ) -> None:
        """Tell everybody in this process; `tell_closed` gets the name and the status of each closed execution."""
        self._standing = standing
        self._looks = looks
        self._touch = memory.touch
        self._timers = timers
        self._waiters = waiters
        self._dispatch = dispatcher.dispatch
        self._departures = departures
        self._mailbox = mailbox
        self._earlier = earlier
        self._meters = meters
        self._tracer = tracer
        self._tell_closed = tell_closed

    def apply(self, live: Live, event: Any, event_id: int) -> None:
        """Let an execution's code see a durable input, and carry out what it decides."""
        commands = live.execution.advance(event, event_id)
        if commands:
            self._dispatch(live, commands)

    def written(self, live: Live, page: Page | None, events: Sequence[AnyEvent]) -> None:
        """Go on with an execution whose page is durable.

        Raises:
            HoldfastError: it cannot go on; see `failed`.
        """
        if page is None:
            if live.is_dirty:
                self._touch(live)
            return
        outcome = outcome_of(events[-1]) if live.closing is not None else None
        if outcome is None and self._standing.draining:
            # Whoever has it next goes on from here. It does not wait for anything, so it is not disowned as idle.
            self._tell_answers(live, events)
            self._departures.forget(live)
            return
        held, live.held = live.held, None
        if held is not None and outcome is None:
            if isinstance(held, HoldfastError):
                raise held
            self._dispatch(live, held)
        event_id, applied = page.first, live.execution.applied
        for event in events:
            if isinstance(event, Input):
                if outcome is None and event_id > applied:
                    self.apply(live, event, event_id)
            elif type(event) is TimerStarted:
                if event.step in live.execution.open:
                    self._timers.add(live, event.step, event.due)
            elif type(event) is TimerCancelled:
                self._timers.drop(live, event.step)
            elif type(event) is UpdateCompleted:
                self._waiters.answered(live, event)
            event_id += 1
        if outcome is not None:
            started = live.execution.runtime.started
            began = events[-1].time if started is None else started.time
            ended = events[-1].time
            self._meters.closed(live.workflow, outcome.status, ended - began)
            if self._tracer is not None:
                about = EndedRun(live.run_id, live.name, live.workflow, outcome.status, live.traceparent, began, ended)
                self._tracer.end_run(about)
            self._closed(live, outcome)
        elif live.is_dirty:
            self._touch(live)

    def parked(self, live: Live, reason: str, events: Sequence[AnyEvent]) -> None:
        """Let go of an execution that parked itself: nobody owns it until it is resumed."""
        log.warning("run parked", **live.about, reason=reason)
        self._meters.park(reason)
        self._tell_answers(live, events)
        self._departures.let_go(live)

    def refused(self, live: Live, refusal: Any) -> None:
        """Read the mail that an execution cannot close without; let go of one that is somebody else's."""
        live.land(None, durable=False)
        if isinstance(refusal, InboxUnreadError):
            self._mailbox.read_unread(live)
        else:
            if isinstance(refusal, FencedError) and refusal.status:
                log.info("run was set aside", **live.about, status=refusal.status)
            else:
                log.warning("append refused", **live.about, error=str(refusal))
            # If it is still this member's after all (a commit whose answer was lost), it is claimed again and replayed.
            self._departures.give_up(live.execution_id, live)

    def failed(self, live: Live, error: HoldfastError) -> None:
        """Let go of a run whose history its code cannot go on with. Replayed, it says the same, and is parked."""
        log.error("run cannot go on", **live.about, error=str(error))
        self._departures.give_up(live.execution_id, live)

    def _tell_answers(self, live: Live, events: Sequence[AnyEvent]) -> None:
        for event in events:
            if type(event) is UpdateCompleted:
                self._waiters.answered(live, event)

    def _closed(self, live: Live, outcome: Outcome) -> None:
        if outcome.status != CONTINUED_AS_NEW:
            self._waiters.ended(live, outcome)
        else:
            self._earlier.keep(live)
            # Whoever waits for the run's end, or for an answer that no code was asked for, is told to look elsewhere.
            self._looks.want_requests()
        self._departures.forget(live)
        if self._tell_closed is not None:
            self._tell_closed(live.name, outcome.status)
