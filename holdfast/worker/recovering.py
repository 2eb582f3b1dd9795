"""What is done about failures: rules of tasks and of the settings, applied where an attempt ends.

Owns: which rule fits a failure, and what it comes to.
Must not know: how an attempt runs, when anything is written, how a remedy is carried out.

It is decided before the outcome is written. What happens here - another attempt, a frozen rate, a parked run - is in no
history. What happens in the workflow - a fallback, a question - is recorded with the outcome, so that a replay does the
same whatever the rules have become. A worker that dies in between has written nothing: the attempt is made again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, Final, Protocol

import msgspec

from holdfast.authoring import Recovery, Rule, TaskDefinition, minutes_of_day, parse_duration
from holdfast.errors import DefinitionError, InputError
from holdfast.history import AGENT, FALLBACK, PERSON, Failure, Remedy, TaskOptions
from holdfast.ports.task import (
    AttemptOutcome,
    Drifted,
    OutOfBudget,
    Parked,
    PutOff,
    Remedied,
    TaskCall,
    TryAgain,
    plain,
)

EVERY: Final = "*"
"""The table of the settings that is about every task."""
POISON: Final = "PoisonTaskError"
"""What a task failed with that workers died of."""
DAY_MINUTES: Final = 24 * 60


class Tasks(Protocol):
    """Where tasks are found."""

    @property
    def tasks(self) -> Mapping[str, TaskDefinition[Any, Any]]:
        """All there are, by name."""


class Recoveries:
    """The rules of one process."""

    def __init__(self, known: Tasks, tables: Mapping[str, tuple[Rule, ...]] | None = None) -> None:
        """Apply the rules of tasks that are known, and those of the settings.

        Args:
            known: the tasks.
            tables: rules by name of the task, or under EVERY. Those of a task are looked at before its own, those of
                every task after them.

        Raises:
            DefinitionError: a rule names a task that is not known, one with other arguments, or leads in a circle.
        """
        self._known = known
        self._tables = dict(tables or {})
        self._rules: dict[str, tuple[Rule, ...]] = {}
        self._helpers = {other for _, action in self._tables.get(EVERY, ()) for other in _named(action)}
        """What rules for every task name: they are not about these, or would lead in a circle."""
        for name in self._tables:
            if name != EVERY and name not in known.tasks and (meant := get_close_matches(name, known.tasks, 1, 0.8)):
                raise DefinitionError(f"[recovery.{name}]: there is no such task", remedy=f"Did you mean {meant[0]}?")
        for name in known.tasks:
            for _, action in self._of(name):
                self._check(name, action)
        for name in known.tasks:
            self._walk(name, ())

    def decide(self, call: TaskCall, outcome: AttemptOutcome) -> AttemptOutcome:
        """Return an outcome of an attempt that failed, with what is to be done about it."""
        rules = self._of(call.task)
        failure = outcome.failure
        if not rules or failure is None or outcome.cancelled:
            return outcome
        classes = _classes(failure, outcome)
        tried = False
        for name, action in rules:
            if name not in classes:
                continue
            decided = _ACTIONS[action.do](self._known, call, failure, action, outcome.ended)
            if decided is not None:
                return msgspec.structs.replace(outcome, failure=decided)
            tried = True
        # As often as a rule said was tried, and no other says more.
        return msgspec.structs.replace(outcome, failure=_final(plain(failure))) if tried else outcome

    def remedy_of_poison(self, call: TaskCall) -> str:
        """Return what is recorded as done about a task that workers died of; empty for nothing."""
        failure = Failure(POISON, "", retryable=False)
        for name, action in self._of(call.task):
            if name == "poison":
                decided = _ACTIONS[action.do](self._known, call, failure, action, 0.0)
                return decided.remedy if isinstance(decided, Remedied) else ""
        return ""

    # -----------------------------------------------------------------------------------------------------------------

    def _of(self, task: str) -> tuple[Rule, ...]:
        rules = self._rules.get(task)
        if rules is None:
            definition = self._known.tasks.get(task)
            own = () if definition is None else definition.recovery
            every = () if task in self._helpers else self._tables.get(EVERY, ())
            rules = self._rules[task] = (*self._tables.get(task, ()), *own, *every)
        return rules

    def _check(self, task: str, action: Recovery) -> None:
        for other in _named(action):
            if other not in self._known.tasks:
                meant = get_close_matches(other, self._known.tasks, 1)
                raise DefinitionError(
                    f"recovery of task {task!r} names task {other!r}, which is not known here",
                    remedy=f"Did you mean {meant[0]}?" if meant else "Name its module among the modules.",
                )
        if action.task and action.task != task:
            ours, others = (_arguments(self._known.tasks[each]) for each in (task, action.task))
            if ours != others:
                raise DefinitionError(
                    f"task {action.task!r} takes ({', '.join(others)}), and cannot stand in for task {task!r}, which "
                    f"takes ({', '.join(ours)})",
                    self._known.tasks[action.task].where,
                    "A fallback is given the same input: let it take the same arguments.",
                )

    def _walk(self, task: str, before: tuple[str, ...]) -> None:
        if task in before:
            circle = " -> ".join((*before[before.index(task) :], task))
            raise DefinitionError(f"recovery leads in a circle: {circle}", remedy="Let one of them end otherwise.")
        for _, action in self._of(task):
            for other in _named(action):
                self._walk(other, (*before, task))


# --- Actions: a failure with what is to be done about it, or None where that was done as often as it may -------------


def _retry(_: Tasks, call: TaskCall, failure: Failure, action: Recovery, ended: float) -> Failure | None:
    if call.attempt >= action.attempts:
        return None
    seconds = None if action.after is None else parse_duration(action.after, "after", zero=True)
    if action.at:
        now = datetime.fromtimestamp(ended, UTC)
        passed = now.hour * 60 + now.minute + now.second / 60
        seconds = ((minutes_of_day(action.at) - passed) % DAY_MINUTES) * 60
    return _as(TryAgain, failure, seconds=seconds)


def _slow(_: Tasks, __: TaskCall, failure: Failure, action: Recovery, ___: float) -> Failure | None:
    assert action.after is not None, "it was checked"
    return _as(PutOff, failure, seconds=parse_duration(action.after, "after"), rate=action.rate)


def _park(_: Tasks, call: TaskCall, failure: Failure, action: Recovery, __: float) -> Failure | None:
    what = f"{call.step} failed with {failure.type}, and a rule of its recovery parks the run"
    return _as(Parked, failure, reason=f"{action.why} ({what})" if action.why else what)


def _compensate(_: Tasks, __: TaskCall, failure: Failure, ___: Recovery, ____: float) -> Failure | None:
    return _final(plain(failure))


def _fall_back(tasks: Tasks, call: TaskCall, failure: Failure, action: Recovery, _: float) -> Failure | None:
    try:
        options = tasks.tasks[action.task].options_for(call.input)
    except (InputError, DefinitionError) as error:  # what its limits are is computed from the input
        return _final(msgspec.structs.replace(plain(failure), message=f"{failure.message} (and {error.message()})"))
    # It does the same work, which whoever knows the key is to do once.
    options = msgspec.structs.replace(options, idempotency_key=call.idempotency_key)
    return _remedied(failure, Remedy(FALLBACK, action.task, options, _again(call)))


def _ask(tasks: Tasks, call: TaskCall, failure: Failure, action: Recovery, _: float) -> Failure | None:
    within = 0.0 if action.within is None else parse_duration(action.within, "within")
    kind, task = (AGENT, action.agent) if action.agent else (PERSON, action.tell)
    return _remedied(failure, Remedy(kind, task, tasks.tasks[task].task_options, _again(call), within))


_Action = Callable[[Tasks, TaskCall, Failure, Recovery, float], Failure | None]

_ACTIONS: Final[Mapping[str, _Action]] = {
    "retry": _retry,
    "slow": _slow,
    "park": _park,
    "compensate": _compensate,
    "fallback": _fall_back,
    "ask": _ask,
}


def _named(action: Recovery) -> list[str]:
    """Return which tasks an action names."""
    return [each for each in (action.task, action.tell, action.agent) if each]


def _again(call: TaskCall) -> TaskOptions:
    return msgspec.structs.replace(call.options, idempotency_key=call.idempotency_key)


def _remedied(failure: Failure, remedy: Remedy) -> Failure:
    return _as(Remedied, failure, remedy=remedy.encode())


_BROAD: Final = frozenset({"Exception", "HoldfastError", "CallError"})
"""Classes by which a rule is not about what parks a run, or is put off: these have names of their own."""


def _classes(failure: Failure, outcome: AttemptOutcome) -> Collection[str]:
    """Return by which classes a failure goes."""
    found = {failure.type, *outcome.classes}
    if isinstance(failure, PutOff | Drifted | OutOfBudget):
        found -= _BROAD  # who writes Exception does not mean to mutate half the data
    if outcome.timeout:
        found |= {"timeout", f"timeout:{outcome.timeout}", "Exception"}
    if isinstance(failure, Drifted):
        found.add("drift")
    if isinstance(failure, OutOfBudget):
        found.add("budget")
    return found | {f"{each[:6]}xx" for each in found if each.startswith("http:")}


def _final(failure: Failure) -> Failure:
    return msgspec.structs.replace(failure, retryable=False)


def _as(kind: Any, failure: Failure, **about: Any) -> Failure:
    described: Failure = kind(
        failure.type, failure.message, failure.traceback, failure.retryable, failure.cause, **about
    )
    return described


def _arguments(definition: TaskDefinition[Any, Any]) -> tuple[str, ...]:
    names = tuple(sorted(each.name for each in definition.signature.parameters))
    return ("one argument",) if len(names) == 1 else names  # which travels without its name
