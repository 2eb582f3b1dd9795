"""What is done about failures of a task: a table from classes of failure to actions, as users write it.

Owns: `Recovery`, the names of classes of failure, and the rules of both.
Must not know: how a failure is classed, who decides, how an action is carried out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import time
from difflib import get_close_matches
from typing import Any, Final, TypeAlias

from holdfast.authoring.durations import Duration, parse_duration
from holdfast.errors import DefinitionError

ATTEMPTS: Final = 5
"""How many attempts there are in all, where a rule that tries again does not say."""
ATTEMPTS_MAX: Final = 1_000_000
TIMEOUTS: Final = ("attempt", "heartbeat", "queue", "total")

_STATUS: Final = re.compile(r"http:(?:[1-5]\d\d|[1-5]xx)")
_CLASS: Final = re.compile(r"[^\W\d]\w*")
_WORDS: Final = ("drift", "budget", "poison", "timeout", *(f"timeout:{each}" for each in TIMEOUTS))
_AFTER_POISON: Final = frozenset({"fallback", "ask", "compensate"})
"""What can be done about a task that workers died of: not to let more of them die."""
_GIVEN: Final[Mapping[str, frozenset[str]]] = {
    "retry": frozenset({"after", "at", "attempts"}),
    "slow": frozenset({"after", "rate"}),
    "park": frozenset({"why"}),
    "compensate": frozenset(),
    "fallback": frozenset({"task"}),
    "ask": frozenset({"tell", "agent", "within"}),
}
"""What can be said of each action."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What is done about a failure. Made by the functions of this class; in `holdfast.toml`, a table of these fields.

    >>> Recovery.retry(after="30s", attempts=20)
    Recovery(do='retry', after='30s', attempts=20)
    """

    do: str
    """`retry`, `slow`, `park`, `compensate`, `fallback` or `ask`."""
    after: Duration | None = None
    at: str = ""
    attempts: int = ATTEMPTS
    rate: str = ""
    task: str = ""
    tell: str = ""
    agent: str = ""
    within: Duration | None = None
    why: str = ""

    def __post_init__(self) -> None:
        """Check every field; raises DefinitionError."""
        known = _GIVEN.get(self.do)
        if known is None:
            meant = get_close_matches(str(self.do), _GIVEN, 1)
            raise DefinitionError(
                f"Recovery(do={self.do!r}): there is no such action",
                remedy=f"Did you mean {meant[0]}?" if meant else f"There are: {', '.join(_GIVEN)}.",
            )
        given = {each.name for each in fields(self) if getattr(self, each.name) != each.default} - {"do"}
        if too_many := sorted(given - known):
            raise DefinitionError(f"{too_many[0]}= says nothing about {self.do}", remedy=_what_fits(self.do))
        _CHECKS.get(self.do, _nothing)(self)

    def __repr__(self) -> str:
        given = [each.name for each in fields(self) if getattr(self, each.name) != each.default]
        said = [f"{name}={getattr(self, name)!r}" for name in given]
        return f"Recovery({', '.join(said)})"

    @classmethod
    def retry(cls, *, after: Duration | None = None, at: str = "", attempts: int = ATTEMPTS) -> Recovery:
        """Try again, until there were so many attempts in all; then the next rule that fits is followed.

        Args:
            after: how long to wait; 0 tries again now, None waits as the task's `Retry` says.
            at: a time of day in UTC, "06:00", at which to try again.
            attempts: how many attempts there are in all.
        """
        return cls("retry", after=after, at=at, attempts=attempts)

    @classmethod
    def slow(cls, after: Duration, *, rate: str = "") -> Recovery:
        """Let nothing of the task's rates be taken for so long, in the whole fleet, and try again then.

        The attempt does not count: a `total_timeout` of the task is what bounds it.

        Args:
            after: for how long.
            rate: which one, by name; all of the task's when empty.
        """
        return cls("slow", after=after, rate=rate)

    @classmethod
    def park(cls, why: str = "") -> Recovery:
        """Park the run, with a reason that people read. Resumed, it makes the attempt again, which does not count."""
        return cls("park", why=why)

    @classmethod
    def compensate(cls) -> Recovery:
        """Try nothing more: the failure is raised in the workflow, whose `Saga` takes back what was done."""
        return cls("compensate")

    @classmethod
    def fallback(cls, task: Any) -> Recovery:
        """Give the same input to another task, whose result stands for this one's.

        Args:
            task: a task that takes the same arguments, or its name; of another model, say.
        """
        return cls("fallback", task=_name_of(task, "fallback"))

    @classmethod
    def ask(cls, *, tell: Any = "", agent: Any = "", within: Duration | None = None) -> Recovery:
        """Ask a person, or an agent, what to do: a `Verdict`.

        Args:
            tell: a task that takes a `Trouble` and tells a person, who posts the verdict to its `url`.
            agent: a task that takes a `Trouble` and returns the verdict. One of the two is given.
            within: how long it may take; then the task has failed. None is as long as it takes.
        """
        return cls(
            "ask",
            tell=_name_of(tell, "ask(tell=...)") if tell else "",
            agent=_name_of(agent, "ask(agent=...)") if agent else "",
            within=within,
        )


RecoveryTable: TypeAlias = Mapping[Any, Recovery | Sequence[Recovery]]
"""What is done about each class of failure, the first that fits first.

Keys are texts and exception classes; no narrower type takes tables of either kind and of both.
"""
Rule: TypeAlias = tuple[str, Recovery]
"""A class of failure, and what is done about it."""


def check_table(table: Any) -> tuple[Rule, ...]:
    """Return a table as rules, in its order.

    Raises:
        DefinitionError: a class of failure is none, or what is said about it is no action.
    """
    if not isinstance(table, Mapping):
        raise DefinitionError(
            f"recovery={table!r} is no table", remedy='Write recovery={"http:503": Recovery.retry(after="30s")}.'
        )
    rules: list[Rule] = []
    for key, said in table.items():
        name = _class_of(key)
        actions = said if isinstance(said, list | tuple) else (said,)
        if not actions:
            raise DefinitionError(f"recovery of {name} says nothing to do", remedy="Leave it out.")
        for each in actions:
            if not isinstance(each, Recovery):
                raise DefinitionError(
                    f"recovery of {name}: {each!r} is no action", remedy='Write Recovery.retry(after="30s"), say.'
                )
            if name == "poison" and each.do not in _AFTER_POISON:
                raise DefinitionError(
                    f"recovery of poison: {each.do} would let more workers die of it",
                    remedy=f"There are: {', '.join(sorted(_AFTER_POISON))}.",
                )
            rules.append((name, each))
    return tuple(rules)


def read_table(table: Any) -> tuple[Rule, ...]:
    """Return a table of `holdfast.toml` as rules: actions by name, or as tables of their fields.

    Raises:
        DefinitionError: as `check_table`.
    """
    if not isinstance(table, Mapping):
        raise DefinitionError(f"{table!r} is no table of failures", remedy='Write "http:503" = "park".')
    return check_table(
        {
            key: [_read_action(key, each) for each in (said if isinstance(said, list | tuple) else (said,))]
            for key, said in table.items()
        }
    )


def _read_action(key: str, said: Any) -> Recovery:
    if isinstance(said, str):
        return Recovery(said)
    if not isinstance(said, Mapping) or "do" not in said:
        raise DefinitionError(f"recovery of {key}: {said!r} says nothing to do", remedy='Write { do = "park" }.')
    names = [each.name for each in fields(Recovery)]
    for name in said:
        if name not in names:
            meant = get_close_matches(str(name), names, 1)
            raise DefinitionError(
                f"recovery of {key}: there is no {name!r}", remedy=f"Did you mean {meant[0]}?" if meant else ""
            )
    return Recovery(**said)


def _class_of(key: Any) -> str:
    if isinstance(key, type) and issubclass(key, BaseException):
        return key.__name__
    if isinstance(key, str):
        if key in _WORDS or _STATUS.fullmatch(key):
            return key
        if _CLASS.fullmatch(key) and not (meant := get_close_matches(key, _WORDS, 1, 0.8)):
            return key
        meant = get_close_matches(key, (*_WORDS, "http:503", "http:5xx"), 1)
        raise DefinitionError(
            f"recovery= has {key!r}, which is no class of failure",
            remedy=(f"Did you mean {meant[0]}? " if meant else "")
            + "There are http:503, http:5xx, timeout, drift, budget, poison, and exceptions.",
        )
    raise DefinitionError(f"recovery= has {key!r}, which is neither a text nor an exception class")


def _name_of(task: Any, where: str) -> str:
    name = task if isinstance(task, str) else getattr(task, "name", None)
    if not isinstance(name, str) or not name or isinstance(task, type):
        raise DefinitionError(f"Recovery.{where}: {task!r} is no task", remedy="Give a task, or its name.")
    return name


def minutes_of_day(at: str) -> int:
    """Return a time of day, `06:30`, in minutes. Raises DefinitionError."""
    try:
        read = time.fromisoformat(at)
    except (TypeError, ValueError):
        read = None
    if read is None or read.second or read.tzinfo is not None:
        raise DefinitionError(f"Recovery.retry(at={at!r}): it is no time of day", remedy='Write at="06:00", in UTC.')
    return read.hour * 60 + read.minute


def _check_retry(action: Recovery) -> None:
    attempts: Any = action.attempts
    if type(attempts) is not int or not 1 <= attempts <= ATTEMPTS_MAX:
        raise DefinitionError(
            f"Recovery.retry(attempts={attempts!r}): it has to be an integer from 1 to {ATTEMPTS_MAX:,}"
        )
    if action.after is not None:
        parse_duration(action.after, "Recovery.retry(after=...)", zero=True)
    if action.at:
        if action.after is not None:
            raise DefinitionError("Recovery.retry(after=..., at=...): give one of the two")
        minutes_of_day(action.at)


def _check_slow(action: Recovery) -> None:
    if action.after is None:
        raise DefinitionError("Recovery.slow(...) does not say for how long", remedy='Write Recovery.slow("1m").')
    parse_duration(action.after, "Recovery.slow(...)")


def _check_fallback(action: Recovery) -> None:
    if not action.task or not isinstance(action.task, str):
        raise DefinitionError("Recovery.fallback(...) names no task", remedy="Give a task, or its name.")


def _check_ask(action: Recovery) -> None:
    if bool(action.tell) == bool(action.agent):
        raise DefinitionError(
            "Recovery.ask(...) wants one to ask", remedy="Give tell=, a task that tells a person, or agent=."
        )
    if action.within is not None:
        parse_duration(action.within, "Recovery.ask(within=...)")


def _nothing(_: Recovery) -> None: ...


_CHECKS: Final = {"retry": _check_retry, "slow": _check_slow, "fallback": _check_fallback, "ask": _check_ask}


def _what_fits(do: str) -> str:
    fitting = ", ".join(sorted(_GIVEN[do]))
    return f"There is: {fitting}." if fitting else "There is nothing to be said about it."
