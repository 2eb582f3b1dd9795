"""A new history that begins with what another one recorded.

Owns: what of a history a fork keeps, what it does again, and under which idempotency keys.
Must not know: stores, locks, who carries the fork out.

Theory of operation
===================

A fork keeps the events up to its cut. Every prefix of a history replays, so the code stands where it stood then. What
was asked for and has no outcome yet at the cut is left out, except for timers: to whoever recovers the fork it was
issued just now, and is carried out like that. Ids of events move up, and the causes of decisions with them.

A callback that is open at the cut is made anew, or has the answer that the source got: see `fork_callbacks`.

A child that is under way at the cut begins anew, as the fork's own: what the other one has done is not the fork's
to know. That is only possible where nothing that is kept has to do with the first one. A message to another run stays
sent: it has the answer that the source got, however late.

An effect of the source may have happened although the source never heard of it. So a step that the source recorded, and
that the fork has no outcome of, keeps its idempotency key for as long as its input is the same. The keys travel in the
fork's first event, whatever becomes of the source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import msgspec

from holdfast.engine.fork_callbacks import Callbacks, decide_callbacks
from holdfast.errors import ForkError
from holdfast.history import (
    CLOSING,
    AnyEvent,
    CallbackOpened,
    ChildCancelRequested,
    ChildCompleted,
    ChildFailed,
    ChildScheduled,
    ChildStarted,
    Decision,
    FanOutCancelled,
    FanOutCompleted,
    FanOutStarted,
    Input,
    LockGranted,
    LockReleased,
    LockRequested,
    MessageDelivered,
    MessageSent,
    SideEffectCancelled,
    SideEffectRequested,
    SignalReceived,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TaskTimedOut,
    TimerCancelled,
    TimerStarted,
    WorkflowStarted,
)
from holdfast.ports.callbacks import name_of, token_of

START: Final = "start"
"""The cut before everything but the start."""
STEPS_NAMED: Final = 20
"""How many steps an error names."""

_REISSUED: Final = (TaskScheduled, LockRequested, FanOutStarted, ChildScheduled, SideEffectRequested)
_DROPPING: Final = (TaskCancelled, TimerCancelled, FanOutCancelled, LockReleased, SideEffectCancelled)
_OUTCOMES: Final = (TaskCompleted, TaskFailed, TaskTimedOut)
_CHILDS_OUTCOMES: Final = (ChildCompleted, ChildFailed)


@dataclass(frozen=True, slots=True)
class HeldLock:
    """A lock that the code holds at the cut; `place` is where its grant stands among the fork's events, from 0."""

    place: int
    step: str
    name: str
    slots: int


@dataclass(frozen=True, slots=True)
class ForkPlan:
    """A fork, as far as the source's history says it."""

    events: list[AnyEvent]
    """The fork's history so far; the tokens of locks it holds are still the source's."""
    recorded: tuple[str, ...]
    """Steps whose recorded outcome is kept, or was overridden."""
    again: tuple[str, ...]
    """Steps that were under way at the cut and are issued again."""
    locks: tuple[HeldLock, ...]
    fan_outs: tuple[str, ...]
    """Fan-outs whose outcomes, which live beside the history, are to be copied."""
    keys: dict[str, str]
    """See `WorkflowStarted.keys`."""
    drains: tuple[int, ...] = ()
    """Ids of the inputs that end a drain, where the source's engine drains several at once."""
    singly: int = 0
    """How many of the events at the beginning were drained input by input."""


def input_digest(content: bytes) -> str:
    """Return what a step's input is known by among the keys a fork keeps."""
    return blake2b(content, digest_size=8).hexdigest()


def kept_key(keys: Mapping[str, str], step: str, digest: str) -> str:
    """Return the idempotency key that `step` keeps with an input of this digest; empty when it keeps none."""
    known, _, key = keys.get(step, "").partition(" ")
    return key if known == digest else ""


def decide_fork(  # noqa: PLR0913 - what may be said of a fork, and of its source
    events: Sequence[AnyEvent],
    at: str,
    run_id: str,
    *,
    override: Mapping[str, bytes] | None = None,
    new_input: bytes | None = None,
    code_version: str | None = None,
    new_keys: bool = False,
    drains: Sequence[int] = (),
    singly: int = 0,
    execution: str = "",
) -> ForkPlan:
    """Return what a fork of a history begins with.

    Args:
        events: the source's whole history, with every payload inside.
        at: `start`, a step (the cut is just before its outcome), or an event's id (the last one kept).
        run_id: the fork's.
        override: results to be recorded, as JSON text, by step: for steps before the cut or under way at it.
        new_input: the fork's input, as JSON text; only at `start`.
        code_version: the fork's; None is the source's.
        new_keys: keep none of the source's idempotency keys.
        drains: ids of the source's inputs that end a drain, where its engine drains several at once.
        singly: how many of the source's first events were drained input by input all the same.
        execution: the fork's, where that is not its run's first.

    Raises:
        ForkError: there is no such place, or no such step before it.
    """
    source = events[0]
    assert isinstance(source, WorkflowStarted)
    kept = events[: _cut(events, at)]
    if new_input is not None and len(kept) > 1:
        raise ForkError(source.execution, f"{at} with another input", 'A fork gets another input only at "start".')
    standing = _Standing(kept, is_batched=bool(drains))
    overridden = dict(override or {})
    _check_children(kept, standing, overridden, source.execution)
    left_out = standing.reissued(overridden)
    callbacks = decide_callbacks(
        kept, events[len(kept) :], standing.open_callbacks(overridden), left_out, source.execution
    )
    gone = left_out | callbacks.anew
    events_out, places = _renumbered(kept, gone)
    stayed = len(events_out)
    _rename_children(events_out, source.execution, execution or run_id)
    _answer_messages(events_out, events, standing)
    _answer_callbacks(events_out, standing, callbacks)
    for step, result in overridden.items():
        _override(events_out, standing, step, result, source.execution)
    keys = {} if new_keys else _keys(events, source, standing, overridden)
    changes = {
        "run_id": run_id,
        "execution": execution or run_id,
        "keys": keys,
        "forked_from": source.execution,
        "forked_at": len(kept),
        # The source's time may be long up.
        "deadline": 0.0,
        "execution_timeout": 0.0,
    }
    if new_input is not None:
        changes["input"] = new_input
    if code_version is not None:
        changes["code_version"] = code_version
    events_out[0] = msgspec.structs.replace(source, **changes)
    return ForkPlan(
        events=events_out,
        recorded=(*standing.resolved, *(each for each in overridden if each not in standing.resolved)),
        again=tuple(each for each in standing.open if each not in overridden and each not in standing.stays),
        locks=tuple(
            HeldLock(places[index], request.step, request.name, request.slots)
            for index, request in standing.held.values()
        ),
        fan_outs=tuple(standing.fan_outs),
        keys=keys,
        drains=_drained(kept, places, gone, drains),
        singly=(*places, stayed)[min(singly, len(kept))],
    )


def _drained(kept: Sequence[AnyEvent], places: Sequence[int], gone: set[int], drains: Sequence[int]) -> tuple[int, ...]:
    """Return which inputs of a fork end a drain, the last that is kept too: what is added is a drain of its own."""
    if not drains:
        return ()
    bounds = [each - 1 for each in drains if each <= len(kept)]
    bounds.append(max(index for index, each in enumerate(kept) if isinstance(each, Input)))
    # An input that is left out was the start of a child, and what came with it ends the drain.
    return tuple(dict.fromkeys(places[each] + (each not in gone) for each in bounds))


def _cut(events: Sequence[AnyEvent], at: str) -> int:
    """Return how many events are kept."""
    source = events[0]
    assert isinstance(source, WorkflowStarted)
    whole = len(events) - isinstance(events[-1], CLOSING)
    if at == START:
        return 1
    if at.isascii() and at.isdecimal():
        if not 1 <= int(at) <= whole:
            raise ForkError(source.execution, f"event {at}", f"Its events that can be kept are 1 to {whole}.")
        return int(at)
    opened = next((each for each in events if isinstance(each, CallbackOpened) and each.step == at), None)
    answer = "" if opened is None else name_of(token_of(opened.url))
    for index, event in enumerate(events):
        if index and isinstance(event, Input) and getattr(event, "step", None) == at:
            return index
        if isinstance(event, SignalReceived) and event.name == answer:
            return index
    if any(isinstance(each, Decision) and getattr(each, "step", None) == at for each in events):
        return whole
    steps = dict.fromkeys(getattr(each, "step", "") for each in events if isinstance(each, Decision))
    raise ForkError(source.execution, f"step {at}", f"Its steps: {_some([each for each in steps if each])}")


def open_decisions(events: Sequence[AnyEvent]) -> dict[str, Decision]:
    """Return what a history's code asked for that has no outcome and was not dropped, by step."""
    found = {step: events[index] for step, index in _Standing(events, is_batched=False).open.items()}
    return {step: event for step, event in found.items() if isinstance(event, Decision)}


class _Standing:
    """What is under way, held and done at the end of a prefix."""

    def __init__(self, kept: Sequence[AnyEvent], *, is_batched: bool) -> None:
        self.open: dict[str, int] = {}
        """Steps without an outcome, with the index of their decision."""
        self.stays: set[str] = set()
        """Those of them that are not issued again: timers, and messages to other runs.

        Where the engine drains several inputs at once, side effects too: their place says nothing of when they were
        asked for, and whoever recovers the fork has them called.
        """
        self._staying = (TimerStarted, MessageSent, *((SideEffectRequested,) if is_batched else ()))
        self.begun: dict[str, int] = {}
        """Children that have begun, with the index of the event that says so."""
        self.stopping: set[str] = set()
        """Children that were asked to stop."""
        self.resolved: dict[str, int] = {}
        """Steps that have their outcome, with its index."""
        self.held: dict[str, tuple[int, LockRequested]] = {}
        self.fan_outs: dict[str, None] = {}
        self._callbacks: dict[str, str] = {}
        """Steps of callbacks, by the name of the message that answers them."""
        self._kept = kept
        for index, event in enumerate(kept):
            self._take(index, event)

    def reissued(self, overridden: Mapping[str, bytes]) -> set[int]:
        """Return the indexes of the decisions that the fork makes anew, and of the starts of children among them."""
        found = {
            step: index
            for step, index in self.open.items()
            if step not in overridden and step not in self.stays and isinstance(self._kept[index], _REISSUED)
        }
        return {*found.values(), *(self.begun[step] for step in found if step in self.begun)}

    def open_callbacks(self, overridden: Mapping[str, bytes]) -> dict[str, int]:
        """Return the callbacks that have no answer, with the index of their decision."""
        callbacks = (step for step in self._callbacks.values() if step in self.open and step not in overridden)
        return {step: self.open[step] for step in callbacks}

    def _take(self, index: int, event: AnyEvent) -> None:
        step = self._callbacks.get(event.name) if isinstance(event, SignalReceived) else getattr(event, "step", None)
        if step is None:
            return
        if isinstance(event, ChildStarted):
            self.begun[step] = index
        elif isinstance(event, ChildCancelRequested):
            self.stopping.add(step)
        elif isinstance(event, _DROPPING):
            self.open.pop(step, None)
            self.held.pop(step, None)
        elif isinstance(event, Decision):
            self.open[step] = index
            if isinstance(event, self._staying):
                self.stays.add(step)
            elif isinstance(event, CallbackOpened):
                self._callbacks[name_of(token_of(event.url))] = step
        elif isinstance(event, Input):
            opened = self.open.pop(step, None)
            self.resolved[step] = index
            if isinstance(event, LockGranted) and opened is not None:
                request = self._kept[opened]
                assert isinstance(request, LockRequested)
                self.held[step] = (index, request)
            elif isinstance(event, FanOutCompleted):
                self.fan_outs[step] = None


def _renumbered(kept: Sequence[AnyEvent], left_out: set[int]) -> tuple[list[AnyEvent], list[int]]:
    """Return copies of the events that stay, and for each old index how many stay before it."""
    place: list[int] = []
    stay: list[AnyEvent] = []
    for index, event in enumerate(kept):
        place.append(len(stay))
        if index in left_out:
            continue
        if isinstance(event, Decision):
            # A cause is an input, and every input stays that caused something.
            stay.append(msgspec.structs.replace(event, cause=place[event.cause - 1] + 1))
        else:
            stay.append(msgspec.structs.replace(event))
    return stay, place


def _check_children(
    kept: Sequence[AnyEvent], standing: _Standing, overridden: Mapping[str, bytes], execution: str
) -> None:
    """Raise ForkError where a child would have to begin anew of which the code has seen more than that it asked."""
    causes = {each.cause - 1 for each in kept if isinstance(each, Decision)}
    told = {each.run_id for each in kept if isinstance(each, MessageSent)}
    for step, index in standing.open.items():
        child = kept[index]
        if not isinstance(child, ChildScheduled) or step in overridden:
            continue
        if step in standing.stopping or child.run_id in told or standing.begun.get(step) in causes:
            raise ForkError(
                execution,
                f"behind the start of child {step}, which is under way there",
                f"The code went on from its start, so it cannot begin anew. Fork at {step!r}, before it begins; "
                "or override its result.",
            )


def _rename_children(events: list[AnyEvent], execution: str, run_id: str) -> None:
    """Let children whose ids were made of the source's have those that the fork's code makes."""
    names: dict[str, str] = {}
    for index, event in enumerate(events):
        if isinstance(event, ChildScheduled) and event.run_id == f"{execution}:{event.step}":
            names[event.run_id] = f"{run_id}:{event.step}"
        if isinstance(event, ChildScheduled | MessageSent) and event.run_id in names:
            events[index] = msgspec.structs.replace(event, run_id=names[event.run_id])


def _answer_messages(events_out: list[AnyEvent], events: Sequence[AnyEvent], standing: _Standing) -> None:
    """Answer what was sent before the cut, and answered after it or not at all: it is not sent twice."""
    answers = {each.step: each.failure for each in events if isinstance(each, MessageDelivered)}
    time = max(each.time for each in events_out)
    sent = [each.step for each in events_out if isinstance(each, MessageSent)]
    events_out += [MessageDelivered(time, -1, step, answers.get(step)) for step in sent if step in standing.open]


def _answer_callbacks(events_out: list[AnyEvent], standing: _Standing, callbacks: Callbacks) -> None:
    """Give what the source was answered after the cut, at URLs that were given away before it."""
    time = max(each.time for each in events_out)
    for step, answer in callbacks.answers.items():
        standing.resolved[step] = len(events_out)
        del standing.open[step]
        events_out.append(msgspec.structs.replace(answer, time=time))
    # Those that nobody can answer any more are not made anew either.
    standing.stays.update(step for step, index in standing.open_callbacks({}).items() if index not in callbacks.anew)


def _override(events: list[AnyEvent], standing: _Standing, step: str, result: bytes, execution: str) -> None:
    for index, event in enumerate(events):
        if isinstance(event, _OUTCOMES) and event.step == step:
            events[index] = TaskCompleted(event.time, event.issued, step, result)
            return
        if isinstance(event, _CHILDS_OUTCOMES) and event.step == step:
            events[index] = ChildCompleted(event.time, event.issued, step, result)
            return
        if isinstance(event, CallbackOpened) and event.step == step:
            _override_answer(events, event, result)
            return
    known = {each.step: each for each in events if isinstance(each, TaskScheduled | ChildScheduled)}
    if step not in known or step not in standing.open:
        raise ForkError(
            execution,
            f"a result of {step}",
            "Only a task, child or callback recorded before the cut, or under way at it, can be given one: "
            f"{_some([*known])}",
        )
    time = max(each.time for each in events)
    match known[step]:
        case TaskScheduled():
            events.append(TaskCompleted(time, -1, step, result))
        case ChildScheduled(run_id=child):
            if step not in standing.begun:
                events.append(ChildStarted(time, -1, step, child))
            events.append(ChildCompleted(time, -1, step, result))


def _override_answer(events: list[AnyEvent], callback: CallbackOpened, result: bytes) -> None:
    name = name_of(token_of(callback.url))
    for index, event in enumerate(events):
        if isinstance(event, SignalReceived) and event.name == name:
            events[index] = msgspec.structs.replace(event, input=result)
            return
    events.append(SignalReceived(max(each.time for each in events), -1, name, result, name, ""))


def _keys(
    events: Sequence[AnyEvent], source: WorkflowStarted, standing: _Standing, overridden: Mapping[str, bytes]
) -> dict[str, str]:
    keys = dict(source.keys)
    for event in events:
        match event:
            case TaskScheduled(step=step, input=bytes() as content):
                digest = input_digest(content)
            case FanOutStarted(step=step, digest=content):
                digest = content[:8].hex()
            case _:
                continue
        key = kept_key(source.keys, step, digest) or f"{source.execution}/{step}"
        keys[step] = f"{digest} {key}"
    return {step: key for step, key in keys.items() if step not in standing.resolved and step not in overridden}


def _some(steps: Sequence[str]) -> str:
    named = ", ".join(steps[:STEPS_NAMED]) or "none"
    return named + (f" and {len(steps) - STEPS_NAMED} more" if len(steps) > STEPS_NAMED else "")
