"""Why a run does not move.

Owns: the causes, in words, as far as the records of one run say them.
Must not know: where the records were read, how causes are shown.

`decide_causes` looks at one run. A cause that leads to another run names it, and whoever reads the records follows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

from holdfast.history import (
    AnyEvent,
    Attempt,
    CallbackOpened,
    ChildCancelRequested,
    ChildScheduled,
    ChildStarted,
    Decision,
    Failure,
    FanOutCancelled,
    FanOutStarted,
    Input,
    LockReleased,
    LockRequested,
    MessageSent,
    SignalReceived,
    TaskCancelled,
    TaskScheduled,
    TimerCancelled,
    TimerStarted,
)
from holdfast.ports.callbacks import expiry_of, name_of, token_of
from holdfast.ports.engine import Cause, Waiting
from holdfast.ports.operations import (
    PARKED,
    PAUSED,
    RUNNING,
    TERMINAL,
    FanOutRecord,
    InboxRow,
    LockRecord,
    MemberRecord,
    PoolRecord,
    QueueRecord,
    RunRecord,
)

CAUSES_MAX: Final = 50
"""How many causes of one run are named."""

_ENDING: Final = (Input, TaskCancelled, TimerCancelled, FanOutCancelled, LockReleased)
_BEGUN: Final = (ChildStarted, ChildCancelRequested)
ASKED_EVENTS_MAX: Final = 20_000
"""Of a longer run it is not said at which line its code waits: whoever is asked replays it, a second for so many."""

_decode_attempts: Final = msgspec.msgpack.Decoder(tuple[Attempt, ...]).decode


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known about one run, at one time."""

    now: float
    run: RunRecord
    events: Sequence[AnyEvent] = ()
    """All of them, or their gist; none where `needs_events` says so."""
    queue: Sequence[QueueRecord] = ()
    fan_outs: Sequence[FanOutRecord] = ()
    inbox: Sequence[InboxRow] = ()
    members: Sequence[MemberRecord] = ()
    pools: Sequence[PoolRecord] = ()
    locks: Sequence[LockRecord] = ()
    waiting: Waiting | None = None
    """What its code says; None when nobody was asked, or could say."""


def needs_events(run: RunRecord, now: float) -> bool:
    """Say whether events have a part in why a run does not move: not where its record says that nobody moves it."""
    return run.status not in {*TERMINAL, PAUSED, PARKED} and run.starts_at <= now


def gist(events: Sequence[AnyEvent]) -> list[AnyEvent]:
    """Return the events that say what is under way, and the last one.

    Together with those that come later, they say what all of them would.
    """
    under_way = list(_open_steps(events).values())
    if not events or (under_way and under_way[-1] is events[-1]):
        return under_way
    return [*under_way, events[-1]]


def can_answer(situation: Situation) -> bool:
    """Say whether there is somebody who can tell, within a moment, what the code of the run waits for."""
    is_short = situation.run.last_event <= ASKED_EVENTS_MAX
    return situation.run.status == RUNNING and is_short and _nobody(situation) is None


def decide_causes(situation: Situation) -> tuple[Cause, ...]:
    """Return why a run does not move; nothing for one that has ended."""
    run = situation.run
    if run.status in TERMINAL:
        return (Cause("ended", f"it is {run.status}", since=run.closed_at),)
    if run.status == PAUSED:
        who, why = run.paused_by or "somebody", f": {run.paused_reason}" if run.paused_reason else ""
        remedy = f"holdfast runs resume {run.run_id}"
        return (Cause("paused", f"paused by {who}{why}", since=run.paused_at, remedy=remedy), *_told(situation))
    if run.status == PARKED:
        return (Cause("parked", f"parked: {run.parked}", remedy=_advice(run)), *_told(situation))
    if run.starts_at > situation.now:
        return (Cause("scheduled", f"it is to start at {_time_of(run.starts_at)}"), *_told(situation))
    nobody = _nobody(situation)
    waits = tuple(_waits(situation))[:CAUSES_MAX]
    if nobody is not None:
        return (nobody, *(each for each in waits if each.kind not in {"timer", "message", "callback"}))
    return waits


def _time_of(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _told(situation: Situation) -> Iterator[Cause]:
    for row in situation.inbox:
        if row.kind == "cancel":
            yield Cause("cancel", "it was told to cancel, which its code has to see", since=row.received_at)


def _alive(situation: Situation) -> list[MemberRecord]:
    return [each for each in situation.members if each.expires_at > situation.now and each.state != "dead"]


def _nobody(situation: Situation) -> Cause | None:
    """Return the cause that nobody could move the run."""
    run, alive = situation.run, _alive(situation)
    for each in situation.members:
        if each.name == run.owner and each.state != "alive":
            text = f"its owner {each.name} is {each.state}"
            return Cause("owner", text, remedy="its runs go to others when its lease has run out")
    working = [each for each in alive if each.kind in {"orchestrator", "stack"}]
    if not working:
        return Cause("no-orchestrator", "no orchestrator is alive on this store", remedy="holdfast dev MODULE")
    if not any(run.workflow in each.workflows for each in working):
        known = sorted({name for each in working for name in each.workflows if not name.startswith("task:")})
        text = f"no orchestrator that is alive has workflow {run.workflow!r} (there is: {', '.join(known) or 'none'})"
        return Cause("no-code", text, remedy="start one with the module that defines it: holdfast orchestrator MODULE")
    versions = {each.versions.get(run.workflow, "") for each in working if run.workflow in each.workflows}
    if run.pin and not versions & {run.pin, ""}:  # one that does not say which version it has may have this one
        text = (
            f"it is pinned to version {run.pin!r} of {run.workflow}, and live members have "
            f"{', '.join(map(repr, sorted(versions)))}"
        )
        remedy = (
            f"start an orchestrator with the code of version {run.pin!r}; or begin anew with today's: "
            f"holdfast runs fork {run.run_id} --at start --code {min(versions)}"
        )
        return Cause("no-code", text, remedy=remedy)
    return None


def _advice(run: RunRecord) -> str:
    """Return what there is to type about a parked run."""
    give_up = f"or give it up: holdfast runs terminate {run.run_id}"
    match run.parked.partition(" ")[0]:
        case "DIVERGED":
            return (
                f"see where the code departs: holdfast replay {run.run_id} MODULE; deploy code that fits, and it goes "
                f"on by itself; {give_up}"
            )
        case "COMPENSATION":
            return f"mend what the compensation needs, then: holdfast runs resume {run.run_id}; {give_up}"
        case "UNREADABLE":
            return (
                f"check the store and its keys: holdfast verify, encryption_keys; then: holdfast runs resume "
                f"{run.run_id}; {give_up}"
            )
        case _:
            return f"mend what it names, then: holdfast runs resume {run.run_id}; {give_up}"


def _waits(situation: Situation) -> Iterator[Cause]:
    steps = _open_steps(situation.events)
    queued = {each.step: each for each in situation.queue}
    for row in situation.queue:
        yield _task(situation, row)
    for step, event in steps.items():
        if step in queued:
            continue
        match event:
            case TimerStarted(due=due):
                yield Cause("timer", f"timer {step} is due in {_seconds(due - situation.now)}", step, event.time)
            case LockRequested(name=name):
                yield _lock(situation, step, name, event.time)
            case FanOutStarted():
                yield _fan_out(situation, step, event)
            case ChildScheduled(run_id=child):
                yield Cause("child", f"it waits for its child {step}, run {child}", step, event.time, run=child)
            case CallbackOpened():
                yield _callback(situation, step, event)
            case MessageSent(run_id=other):
                yield Cause("step", f"whether {step} reached run {other} is on its way", step, event.time)
            case TaskScheduled(task=task):
                yield Cause("task", f"the outcome of task {task} ({step}) is on its way", step, event.time)
            case _:
                yield Cause("step", f"{step} has no outcome yet", step, event.time)
    yield from _message(situation, is_idle=not steps and not situation.queue)


def _message(situation: Situation, *, is_idle: bool) -> Iterator[Cause]:
    waiting = situation.waiting or Waiting()
    since = situation.events[-1].time if situation.events else situation.run.created_at
    where = f"  ({waiting.where})" if waiting.where else ""
    if waiting.signals:
        names = " or ".join(repr(each) for each in waiting.signals)
        remedy = f"holdfast signal {situation.run.run_id} {waiting.signals[0]}"
        yield Cause("message", f"its code waits for signal {names}{where}", since=since, remedy=remedy)
    elif is_idle:
        text = f"nothing is under way: its code waits for a signal or an update{where}"
        yield Cause("message", text, since=since)


def _open_steps(events: Sequence[AnyEvent]) -> dict[str, AnyEvent]:
    steps: dict[str, AnyEvent] = {}
    callbacks: dict[str, str] = {}
    for event in events:
        step = callbacks.get(event.name) if isinstance(event, SignalReceived) else getattr(event, "step", None)
        if isinstance(event, CallbackOpened):
            callbacks[name_of(token_of(event.url))] = event.step
        if step is None:
            continue
        if isinstance(event, _BEGUN):
            continue  # a child is waited for until it has ended, also while it cleans up
        if isinstance(event, _ENDING):
            steps.pop(step, None)
        elif isinstance(event, Decision):
            steps[step] = event
    return steps


def _task(situation: Situation, row: QueueRecord) -> Cause:
    name = f"task {row.task} ({row.step})"
    if row.owner:
        member = next((each for each in situation.members if each.name == row.owner), None)
        state = f", which is {member.state}" if member is not None and member.state != "alive" else ""
        return Cause("running", f"{name} runs on {row.owner}{state}, attempt {row.attempt}", row.step)
    if row.line.startswith(("place ", "rate ")):
        kind, _, limit = row.line.partition(" ")
        waits = "a place at limit" if kind == "place" else "its share of rate"
        return Cause("limit", f"{name} waits for {waits} {limit!r}", row.step, remedy="holdfast limits list")
    if row.visible_at > situation.now:
        failure = _last_failure(row.failures)
        why = f" because {failure.type}: {failure.message}" if failure is not None else ""
        text = f"{name} is tried again (attempt {row.attempt}) in {_seconds(row.visible_at - situation.now)}{why}"
        return Cause("retry", text, row.step)
    if row.line.startswith("prefix "):
        name = f"{name}, for which a worker that holds its prefix goes first,"
    return _pool(situation, name, row.pool, row.step, row.visible_at)


def _last_failure(failures: bytes) -> Failure | None:
    try:
        tried = _decode_attempts(failures) if failures else ()
    except msgspec.MsgspecError:
        return None  # encrypted, and the key is not here
    return tried[-1].failure if tried else None


def _pool(situation: Situation, what: str, pool: str, step: str, since: float | None) -> Cause:
    record = next((each for each in situation.pools if each.pool == pool), None)
    if record is None or not record.slots:
        served = ", ".join(each.pool for each in situation.pools if each.slots) or "none"
        text = f"{what} is queued in pool {pool!r}, which no live worker serves (served: {served})"
        return Cause("no-worker", text, step, since, f"holdfast worker MODULE --pool {pool}=8")
    if record.paused:
        text = f"{what} is queued in pool {pool!r}, which is paused"
        return Cause("paused-pool", text, step, since, f"holdfast pools resume {pool}")
    text = (
        f"{what} waits for a slot in pool {pool!r}: {record.in_flight} of {record.slots} busy, {record.backlog} queued"
    )
    return Cause("slots", text, step, since)


def _fan_out(situation: Situation, step: str, event: FanOutStarted) -> Cause:
    record = next((each for each in situation.fan_outs if each.step == step), None)
    done = f"{record.done} of {record.count} items done, {record.failed} failed" if record is not None else "beginning"
    return Cause("fan-out", f"{step} of {event.task}: {done}", step, event.time)


def _callback(situation: Situation, step: str, event: CallbackOpened) -> Cause:
    expires_at = expiry_of(token_of(event.url))
    if 0 < expires_at <= situation.now:
        text = f"{step} has no answer, and its URL has expired: none can come any more"
    else:
        until = f", within {_seconds(expires_at - situation.now)}" if expires_at else ""
        text = f"{step} has no answer yet: an outside system is to post it to the callback's URL{until}"
    return Cause("callback", text, step, event.time)


def _lock(situation: Situation, step: str, name: str, since: float) -> Cause:
    holders = [each for each in situation.locks if each.name == name and each.held]
    if not holders:
        return Cause("lock", f"lock {name!r} is being granted", step, since)
    holder = holders[0]
    run = holder.holder.partition("/")[0] if holder.expires_at is None else ""
    text = f"lock {name!r} is held by {'run ' if run else ''}{holder.holder}"
    return Cause("lock", text, step, since, f"holdfast locks break '{name}'" if not run else "", run)


def _seconds(seconds: float) -> str:
    return f"{max(seconds, 0.0):,.0f} s"
