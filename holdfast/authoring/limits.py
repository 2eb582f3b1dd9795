"""What a task waits for besides a free slot, as users write it: concurrency, rates, fairness, a delay, its prefix.

Owns: `Concurrency`, `Rate`, `Prefixed`, and what they come to for one call.
Must not know: queues, stores, who grants anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol, TypeAlias

from holdfast.authoring.durations import Duration, parse_duration
from holdfast.errors import DefinitionError
from holdfast.history import Limits, RateUse, identifier_problem

SLOTS_MAX: Final = 10_000
"""How many places a limit may have; whoever is let in is counted among as many rows."""
LIMIT_NAME_CHARACTERS_MAX: Final = 200
LIMIT_KEY_CHARACTERS_MAX: Final = 1_000
RATES_MAX: Final = 8
"""How many rates one task may be bound by."""
AMOUNT_MAX: Final = 1e12
PREFIX_CHARACTERS_MAX: Final = 200
PER_SECONDS_MIN: Final = 0.1
"""The shortest window of a rate: less is lost in the time it takes to claim and to start."""


class Prefixed(Protocol):
    """Whatever is known by the digest of a prefix: an `LLM` with `system=cached(...)`, what `cached(...)` returns."""

    @property
    def digest(self) -> str:
        """The prefix is known by it; empty where there is none."""


Prefix: TypeAlias = str | Prefixed
"""A digest, or what has one."""


@dataclass(frozen=True, slots=True)
class Concurrency:
    """So many attempts at once, in the whole fleet.

    >>> Concurrency(2, key=lambda account: account).limit
    2
    """

    limit: int
    """How many attempts may be under way, or ready to be claimed, at once."""
    key: Callable[..., str] | None = None
    """Computed from the call's arguments: each key has a limit of its own."""
    name: str | None = None
    """Names the limit; tasks that give the same name share it. The task's own name when None."""

    def __post_init__(self) -> None:
        """Check every field; raises DefinitionError."""
        limit: Any = self.limit
        if type(limit) is not int or not 1 <= limit <= SLOTS_MAX:
            raise DefinitionError(f"Concurrency({limit!r}): it has to be an integer from 1 to {SLOTS_MAX:,}")
        if self.key is not None and not callable(self.key):
            raise DefinitionError(
                f"Concurrency(key={self.key!r}) is the same for every call",
                remedy="Compute it: key=lambda account: account. To share a limit among tasks: name=...",
            )
        if self.name is not None:
            _check_name(self.name, "Concurrency(name=...)")


@dataclass(frozen=True, slots=True)
class Rate:
    """So many units within any time of a given length, in the whole fleet.

    An attempt takes its units when it starts. What does not fit waits, without occupying a slot.

    >>> Rate("openai", 90_000, per="1m", units=lambda prompt: len(prompt) // 4).per
    '1m'
    """

    name: str
    """Tasks that give the same name share the rate."""
    amount: float
    """How many units may be taken within any `per`."""
    per: Duration = field(kw_only=True)
    """Length of the window; at least 100 ms."""
    units: float | Callable[..., float] = field(default=1, kw_only=True)
    """How many units an attempt takes: a number, or computed from the call's arguments."""

    def __post_init__(self) -> None:
        """Check every field; raises DefinitionError."""
        _check_name(self.name, "Rate(...)")
        what = f"Rate({self.name!r})"
        _check_number(self.amount, f"amount of {what}")
        if parse_duration(self.per, f"per of {what}") < PER_SECONDS_MIN:
            raise DefinitionError(f"per of {what} is {self.per!r}: it has to be at least {PER_SECONDS_MIN:g} seconds")
        if not callable(self.units):
            self._check_units(self.units)

    def use(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> RateUse:
        """Return what an attempt at a call with these arguments takes. Raises DefinitionError."""
        units: Any = self.units(*args, **kwargs) if callable(self.units) else self.units
        return RateUse(self.name, float(self.amount), parse_duration(self.per), self._check_units(units))

    def _check_units(self, units: Any) -> float:
        found = _check_number(units, f"units of Rate({self.name!r})", zero=True)
        if found > self.amount:
            raise DefinitionError(
                f"units of Rate({self.name!r}) are {units!r}, and {self.amount:g} is all there is in {self.per!r}",
                remedy="Such a call could never start: split its input, or raise the amount.",
            )
        return found


@dataclass(frozen=True, slots=True)
class Limiting:
    """All of it for one task, or one call."""

    concurrency: Concurrency | None = None
    rates: tuple[Rate, ...] = ()
    fairness_key: str | Callable[..., str] | None = None
    delay: float = 0.0
    prefix: str | Callable[..., Prefix] = ""

    @property
    def binds(self) -> bool:
        """Whether there is anything to wait for; a prefix only says where a call had better run."""
        return replace(self, prefix="") != UNLIMITED

    @property
    def is_computed(self) -> bool:
        """Whether any of it depends on the call's arguments."""
        return (
            callable(self.fairness_key)
            or callable(self.prefix)
            or (self.concurrency is not None and self.concurrency.key is not None)
            or any(callable(rate.units) for rate in self.rates)
        )

    def limits(self, task: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Limits | None:
        """Return what a call waits for; None for nothing.

        Args:
            task: name of the task.
            args: what it is called with.
            kwargs: the same, by name.

        Raises:
            DefinitionError: a key or a number of units is wrong.
        """
        place, slots, fairness = "", 0, ""
        if self.concurrency is not None:
            place, slots = self.concurrency.name or task, self.concurrency.limit
            if self.concurrency.key is not None:
                key = self.concurrency.key(*args, **kwargs)
                place = f"{place}[{_check_key(key, f'Concurrency(key=...) of task {task!r}')}]"
        if self.fairness_key is not None:
            found = self.fairness_key(*args, **kwargs) if callable(self.fairness_key) else self.fairness_key
            fairness = _check_key(found, f"fairness_key= of task {task!r}")
        rates = tuple(rate.use(args, kwargs) for rate in self.rates)
        prefix = self.prefix if isinstance(self.prefix, str) else _digest_of(self.prefix(*args, **kwargs), task)
        limits = Limits(place, slots, fairness, rates, self.delay, prefix)
        return None if limits == _NONE else limits

    def changed(self, values: Mapping[str, Any]) -> Limiting:
        """Return this with the options among `values` that belong here. Raises DefinitionError."""
        changes: dict[str, Any] = {}
        for option, value in values.items():
            match option:
                case "concurrency":
                    changes["concurrency"] = _concurrency(value)
                case "rate":
                    changes["rates"] = _rates(value)
                case "fairness_key":
                    changes["fairness_key"] = value if value is None or callable(value) else _check_key(value, option)
                case "delay":
                    changes["delay"] = 0.0 if value is None else parse_duration(value, option, zero=True)
                case "prefix":
                    changes["prefix"] = _prefix(value)
                case _:
                    pass
        return replace(self, **changes) if changes else self


_NONE: Final = Limits()
UNLIMITED: Final = Limiting()
"""Nothing to wait for."""
LIMITING: Final = frozenset({"concurrency", "rate", "fairness_key", "delay", "prefix"})
"""The options of a task that say what it waits for."""


def _concurrency(value: Any) -> Concurrency | None:
    if value is None or isinstance(value, Concurrency):
        return value
    return Concurrency(value)


def _rates(value: Any) -> tuple[Rate, ...]:
    if value is None:
        return ()
    found = (value,) if isinstance(value, Rate) else tuple(value) if isinstance(value, Iterable) else ()
    if not found or not all(isinstance(each, Rate) for each in found):
        raise DefinitionError(f"{value!r} is no Rate", remedy='Write rate=Rate("openai", 90_000, per="1m").')
    if len(found) > RATES_MAX or len({each.name for each in found}) < len(found):
        raise DefinitionError(f"a task takes up to {RATES_MAX} rates, each of another name")
    return found


def _prefix(value: Any) -> str | Callable[..., Prefix]:
    if value is None:
        return ""
    if hasattr(value, "digest") or not callable(value):
        return _digest_of(value, "")
    found: Callable[..., Prefix] = value
    return found


def _digest_of(value: Any, task: str) -> str:
    digest = value if isinstance(value, str) else getattr(value, "digest", None)
    if digest == "":
        return ""  # an LLM that has none
    if isinstance(digest, str) and len(digest) <= PREFIX_CHARACTERS_MAX and not identifier_problem(digest):
        return digest
    of = f" of task {task!r}" if task else ""
    raise DefinitionError(
        f"prefix={value!r}{of} is no prefix",
        remedy="Give an LLM with system=cached(...), what cached(...) returns, or a digest of up to "
        f"{PREFIX_CHARACTERS_MAX} characters.",
    )


def _check_name(name: Any, what: str) -> None:
    if not isinstance(name, str) or not name or name != name.strip() or len(name) > LIMIT_NAME_CHARACTERS_MAX:
        raise DefinitionError(f"{what} is called {name!r}: a name takes 1 to {LIMIT_NAME_CHARACTERS_MAX} characters")
    if problem := identifier_problem(name):
        raise DefinitionError(f"the name of {what} {problem}")


def _check_key(key: Any, what: str) -> str:
    if not isinstance(key, str) or not key or len(key) > LIMIT_KEY_CHARACTERS_MAX:
        raise DefinitionError(f"{what} is {key!r}: it has to be text of 1 to {LIMIT_KEY_CHARACTERS_MAX} characters")
    if problem := identifier_problem(key):
        raise DefinitionError(f"{what} {problem}")
    return key


def _check_number(number: Any, what: str, *, zero: bool = False) -> float:
    fits = not isinstance(number, bool) and isinstance(number, int | float) and 0 <= number <= AMOUNT_MAX
    if not fits or (number == 0 and not zero):
        raise DefinitionError(f"{what} is {number!r}: it has to be a number above 0, and at most {AMOUNT_MAX:g}")
    return float(number)
