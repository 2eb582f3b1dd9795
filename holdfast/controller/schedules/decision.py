"""What is done about a schedule now.

Owns: every rule about due times: catching up, overlapping, waiting, pausing, backfilling.
Must not know: stores, clocks, how anything is started.

Theory of operation
===================

A schedule goes forward in steps. A step is decided here, from what the schedule is, how far it is, how its open runs
stand, and the time; it is carried out as one commit, on condition that nobody took another step meanwhile. So it does
not matter who decides, or how many do at once. A step does at most one thing to a run: it starts one, or asks one to
stop. When there is more to do, the next step is due at once.

    settle      take note of runs that have ended; pause when one failed and that was asked for
    release     start what waits, if no run is open any more
    come due    go through the due times since the last step: missed, skipped, made to wait, or started
    backfill    start a run for a time that is over, if somebody asked for that
    cancel      ask an open run to stop, if something waits for that
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from holdfast.authoring.schedules import run_id_of
from holdfast.controller.schedules.state import Backfill, Kind, PausedBy, Schedule, ScheduleState, Waiting
from holdfast.ports.operations import FAILED, MISSED, SKIPPED, STARTED, TIMED_OUT, FireNote

DUE_PER_STEP: Final = 2_000
"""How many due times one step goes through. When all of them were missed, the other missed ones are not counted."""
OPEN_RUNS_MAX: Final = 1_000
"""How many runs of one schedule may be open; a due time above that is skipped, whatever the overlap policy."""
ITSELF: Final = "the schedule"
"""Who pauses a schedule whose run has failed."""

_replace: Final = msgspec.structs.replace


@dataclass(frozen=True, slots=True)
class Start:
    """Start a run."""

    run_id: str
    due: int
    kind: Kind


@dataclass(frozen=True, slots=True)
class Cancel:
    """Ask a run to stop, so that the one for `due` can start."""

    run_id: str
    due: int


@dataclass(frozen=True, slots=True)
class Step:
    """What is done, and how the schedule stands then."""

    state: ScheduleState
    next_at: float | None
    act: Start | Cancel | None = None
    fires: tuple[FireNote, ...] = ()
    settled: tuple[str, ...] = ()

    def changes(self, schedule: Schedule) -> bool:
        """Say whether there is anything to write."""
        return (
            self.act is not None
            or bool(self.fires or self.settled)
            or self.state != schedule.state
            or self.next_at != schedule.record.next_at
        )


def decide_step(schedule: Schedule, now: float) -> Step:
    """Return what is to be done about a schedule at `now`."""
    draft = _Draft(schedule, now)
    draft.settle()
    draft.release()
    draft.come_due()
    draft.backfill()
    draft.cancel()
    return draft.step()


def decide_run_now(schedule: Schedule, now: float, run_id: str) -> Step | None:
    """Return how a run is started because somebody wants it now; None when an open run forbids it."""
    draft = _Draft(schedule, now)
    draft.settle()
    return draft.step() if draft.want(Waiting("now", int(now), run_id)) else None


def decide_pause(schedule: Schedule, now: float, by: str, reason: str) -> Step:
    """Return how a schedule is paused; one that is paused keeps its words."""
    draft = _Draft(schedule, now)
    draft.pause(by, reason)
    return draft.step()


def decide_resume(schedule: Schedule, now: float) -> Step:
    """Return how a schedule goes on: with the due times that are yet to come."""
    draft = _Draft(schedule, now)
    if draft.state.paused is not None:
        draft.state = _replace(draft.state, paused=None, cursor=max(draft.state.cursor, int(now)))
    return draft.step()


def decide_backfill(schedule: Schedule, now: float, wanted: Backfill) -> Step:
    """Return how runs are asked for whose times are over."""
    draft = _Draft(schedule, now)
    draft.state = _replace(draft.state, backfills=(*draft.state.backfills, wanted))
    return draft.step()


def next_look(schedule: Schedule, now: float) -> float | None:
    """Return when a schedule has to be looked at, after its contents have changed."""
    return _Draft(schedule, now).step().next_at


class _Draft:
    """A step that is being decided."""

    def __init__(self, schedule: Schedule, now: float) -> None:
        self._schedule = schedule
        self._spec = schedule.spec
        self._now = now
        self.state = schedule.state
        self._act: Start | Cancel | None = None
        self._fires: list[FireNote] = []
        self._settled: list[str] = []
        self._open = [each.run_id for each in schedule.record.runs]

    @property
    def _is_busy(self) -> bool:
        """Whether a run of the schedule is open, or will be after this step."""
        return bool(self._open) or isinstance(self._act, Start)

    def settle(self) -> None:
        for run in self._schedule.record.runs:
            if run.is_open:
                continue
            self._settled.append(run.run_id)
            self._open.remove(run.run_id)
            if self._spec.pause_on_failure and run.status in {FAILED, TIMED_OUT}:
                self.pause(ITSELF, f"run {run.run_id} {run.status}")
        self.state = _replace(self.state, told=tuple(each for each in self.state.told if each in self._open))

    def release(self) -> None:
        waiting = self.state.waiting
        if waiting is not None and not self._is_busy:
            self._start(waiting)
            self.state = _replace(self.state, waiting=None)

    def come_due(self) -> None:
        times, oldest = self._schedule.times, self._now - self._spec.catch_up
        is_late = False
        for _ in range(DUE_PER_STEP):
            due = times.after(self.state.cursor)
            if self.state.paused is not None or due is None or times.fires_at(due) > self._now:
                return
            is_late = times.fires_at(due) < oldest
            if is_late:
                self._note(Waiting("due", due, ""), MISSED)
            elif not self._take(Waiting("due", due, run_id_of(self._schedule.name, due))):
                return
            self.state = _replace(self.state, cursor=due)
        if is_late:
            self._let_go(int(oldest - self._spec.jitter) - 1)

    def backfill(self) -> None:
        while self.state.backfills and self._act is None and self._may_backfill:
            first, *others = self.state.backfills
            due = self._schedule.times.after(first.cursor)
            if due is None or due > first.end:
                self.state = _replace(self.state, backfills=tuple(others))
                continue
            self._start(Waiting("backfill", due, run_id_of(self._schedule.name, due)))
            self.state = _replace(self.state, backfills=(Backfill(due, first.end), *others))

    def cancel(self) -> None:
        waiting, untold = self.state.waiting, self._untold
        if waiting is not None and untold and self._act is None:
            self._act = Cancel(untold[0], waiting.due)
            self.state = _replace(self.state, told=(*self.state.told, untold[0]))

    def pause(self, by: str, reason: str) -> None:
        state = self.state
        if state.paused is not None:
            return
        if state.waiting is not None and state.waiting.kind == "due":
            self._note(state.waiting, SKIPPED, "paused")
            state = _replace(self.state, waiting=None)
        self.state = _replace(state, paused=PausedBy(by, reason, self._now))

    def want(self, wanted: Waiting) -> bool:
        """Start what somebody wants, or make it wait; False when an open run forbids both."""
        if self._is_busy and self._spec.overlap == "skip":
            return False
        if self._is_busy and self._spec.overlap == "buffer_one" and self.state.waiting is not None:
            return False
        self._take(wanted)
        self.cancel()
        return True

    def step(self) -> Step:
        return Step(self.state, self._next_at(), self._act, tuple(self._fires), tuple(self._settled))

    def _take(self, due: Waiting) -> bool:
        """Deal with something that is due; False when only the next step can."""
        overlap = self._spec.overlap
        if overlap == "allow" and len(self._open) >= OPEN_RUNS_MAX:
            overlap = "skip"
        if not self._is_busy or overlap == "allow":
            if self._act is not None:
                return False
            self._start(due)
            return True
        waiting = self.state.waiting
        match overlap:
            case "skip":
                self._note(due, SKIPPED)
            case "buffer_one" if waiting is not None:
                self._note(due, SKIPPED)
            case _:
                if waiting is not None:
                    self._note(waiting, SKIPPED)
                self.state = _replace(self.state, waiting=due)
        return True

    def _start(self, what: Waiting) -> None:
        self._act = Start(what.run_id, what.due, what.kind)
        self._note(what, STARTED)

    def _note(self, what: Waiting, outcome: str, words: str = "") -> None:
        note = FireNote(what.kind, outcome, what.due, what.due, 1, what.run_id if outcome == STARTED else "", words)
        last = self._fires[-1] if self._fires else None
        if last is not None and outcome != STARTED and _is_like(last, note):
            self._fires[-1] = _replace(last, until=note.until, count=last.count + 1)
        else:
            self._fires.append(note)
        counter = {STARTED: "fired", SKIPPED: "skipped", MISSED: "missed"}[outcome]
        self.state = _replace(self.state, **{counter: getattr(self.state, counter) + 1})

    def _let_go(self, until: int) -> None:
        """Let the missed times up to `until` go uncounted: none of them, put off as it may be, is in the window."""
        if until > self.state.cursor:
            words = f"more than {DUE_PER_STEP:,}: the rest was not counted"
            self._fires[-1] = _replace(self._fires[-1], until=until, words=words)
            self.state = _replace(self.state, cursor=until)

    @property
    def _may_backfill(self) -> bool:
        if self.state.waiting is not None:
            return False
        return not self._is_busy or (self._spec.overlap == "allow" and len(self._open) < OPEN_RUNS_MAX)

    @property
    def _untold(self) -> list[str]:
        if self._spec.overlap != "cancel_old":
            return []
        return [each for each in self._open if each not in self.state.told]

    def _next_at(self) -> float | None:
        if (self.state.waiting is not None and (self._untold or not self._is_busy)) or (
            self.state.backfills and self._may_backfill
        ):
            return self._now
        if self.state.paused is not None:
            return None
        due = self._schedule.times.after(self.state.cursor)
        return None if due is None else self._schedule.times.fires_at(due)


def _is_like(one: FireNote, other: FireNote) -> bool:
    return (one.kind, one.outcome, one.words) == (other.kind, other.outcome, other.words)
