"""How a task is to be run: what users write, checked.

Owns: `Retry`, the options of a task and their rules.
Must not know: tasks, workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, TypedDict

import msgspec

from holdfast.authoring.durations import Duration, parse_duration
from holdfast.authoring.limits import LIMITING, Concurrency, Limiting, Prefix, Rate
from holdfast.errors import DefinitionError
from holdfast.history import RetryPolicy, TaskOptions

Isolation: TypeAlias = Literal["auto", "async", "thread", "process"]
Record: TypeAlias = Literal["auto", "before"]

ATTEMPTS_MAX: Final = 1_000_000
PRIORITY_MAX: Final = 1_000_000
NAME_CHARACTERS_MAX: Final = 200

_ISOLATIONS: Final = ("auto", "async", "thread", "process")
_RECORDS: Final = ("auto", "before")
_TIMEOUTS: Final = ("timeout", "queue_timeout", "total_timeout", "heartbeat_timeout")
_RESERVED: Final = frozenset("#[]@\n\r\t\0")
"""Characters that mean something in a step's name."""


@dataclass(frozen=True, slots=True)
class Retry:
    """When a failed attempt is tried again. Jitter is full: each wait is uniform between 0 and the delay.

    >>> Retry(attempts=3, initial="500ms", non_retryable=[ValueError])
    Retry(attempts=3, initial='500ms', factor=2.0, maximum='1m', non_retryable=(<class 'ValueError'>,))
    """

    attempts: int = 5
    """Tries in all, the first included; 1 never tries again."""
    initial: Duration = "1s"
    """Delay before the second try."""
    factor: float = 2.0
    """The delay grows by this after each try."""
    maximum: Duration = "1m"
    """The delay never grows beyond this."""
    non_retryable: Iterable[type[BaseException] | str] = ()
    """Exceptions that end the task at once, with their subclasses; or names of exception classes, exactly."""

    def __post_init__(self) -> None:
        """Check every field; raises DefinitionError."""
        attempts: Any = self.attempts
        factor: Any = self.factor
        classes: Any = self.non_retryable
        if type(attempts) is not int or not 1 <= attempts <= ATTEMPTS_MAX:
            raise DefinitionError(
                f"Retry(attempts={self.attempts!r}): it has to be an integer from 1 to {ATTEMPTS_MAX:,}"
            )
        if isinstance(factor, bool) or not isinstance(factor, int | float) or not 1 <= factor <= 1000:
            raise DefinitionError(f"Retry(factor={self.factor!r}): it has to be a number from 1 to 1000")
        object.__setattr__(self, "factor", float(factor))
        if isinstance(classes, str | type):
            raise DefinitionError("Retry(non_retryable=...) is a list", remedy="Write [ValueError], not ValueError.")
        object.__setattr__(self, "non_retryable", tuple(classes))
        self.policy()

    def policy(self) -> RetryPolicy:
        """Return the policy as it is recorded: in seconds, exceptions by name."""
        return RetryPolicy(
            attempts=self.attempts,
            initial=parse_duration(self.initial, "Retry(initial=...)", zero=True),
            factor=self.factor,
            maximum=parse_duration(self.maximum, "Retry(maximum=...)", zero=True),
            non_retryable=tuple(_exception_name(each) for each in self.non_retryable),
        )


class TaskOptionValues(TypedDict, total=False):
    """The options of `@task(...)` and `.options(...)`, as keyword arguments."""

    pool: str
    timeout: Duration | None
    queue_timeout: Duration | None
    total_timeout: Duration | None
    heartbeat_timeout: Duration | None
    retry: Retry
    isolation: Isolation
    priority: int
    record: Record
    concurrency: int | Concurrency | None
    rate: Rate | Sequence[Rate] | None
    fairness_key: str | Callable[..., str] | None
    delay: Duration | None
    prefix: Prefix | Callable[..., Prefix] | None


def make_options(base: TaskOptions, values: TaskOptionValues, *, task: str, where: str = "") -> TaskOptions:
    """Return `base` with `values` in place of its own.

    Args:
        base: what holds where `values` is silent.
        values: options as users write them.
        task: name of the task, for errors.
        where: file and line of the definition, for errors.

    Raises:
        DefinitionError: an option is unknown or wrong.
    """
    changes: dict[str, Any] = {}
    for option, value in values.items():
        if option in LIMITING:
            continue
        try:
            changes[option] = _checked(option, value)
        except DefinitionError as error:
            raise DefinitionError(f"{option}= of task {task!r}: {error.what}", where, error.remedy) from None
    return msgspec.structs.replace(base, **changes)


def make_limiting(base: Limiting, values: TaskOptionValues, *, task: str, where: str = "") -> Limiting:
    """Return `base` with what `values` say of limits in place of its own. As `make_options` otherwise."""
    try:
        return base.changed(values)
    except DefinitionError as error:
        raise DefinitionError(f"limits of task {task!r}: {error.what}", where, error.remedy) from None


def check_name(kind: str, name: Any, where: str = "") -> str:
    """Return `name`, if a workflow, task or handler may be called that.

    Raises:
        DefinitionError: it is empty, too long, or holds a character that means something in a step's name.
    """
    if not isinstance(name, str) or not name or len(name) > NAME_CHARACTERS_MAX:
        raise DefinitionError(f"{name!r} is no {kind} name: it takes 1 to {NAME_CHARACTERS_MAX} characters", where)
    if _RESERVED & set(name) or name != name.strip() or name.startswith("task:"):
        raise DefinitionError(
            f"{name!r} is no {kind} name",
            where,
            "A name holds no # [ ] @, no line breaks, and does not start with 'task:'.",
        )
    return name


def _checked(option: str, value: Any) -> Any:
    if option in _TIMEOUTS:
        return None if value is None else parse_duration(value, option)
    match option:
        case "pool":
            if not isinstance(value, str) or not value or value != value.strip() or len(value) > NAME_CHARACTERS_MAX:
                raise DefinitionError(f"{value!r} is no pool name")
            return value
        case "retry":
            if not isinstance(value, Retry):
                raise DefinitionError(f"{value!r} is no Retry", remedy="Write retry=Retry(attempts=3).")
            return value.policy()
        case "isolation":
            return _one_of(value, _ISOLATIONS)
        case "record":
            return _one_of(value, _RECORDS)
        case "priority":
            if type(value) is not int or not -PRIORITY_MAX <= value <= PRIORITY_MAX:
                raise DefinitionError(f"{value!r} is no integer from -{PRIORITY_MAX:,} to {PRIORITY_MAX:,}")
            return value
        case _:
            known = ", ".join([*TaskOptionValues.__annotations__, "key"])
            raise DefinitionError("there is no such option", remedy=f"There are: {known}.")


def _one_of(value: Any, allowed: tuple[str, ...]) -> Any:
    if value not in allowed:
        raise DefinitionError(f"{value!r} is none of {', '.join(allowed)}")
    return value


def _exception_name(kind: Any) -> str:
    if isinstance(kind, str) and kind:
        return kind
    if isinstance(kind, type) and issubclass(kind, BaseException):
        return kind.__name__
    raise DefinitionError(f"Retry(non_retryable=...) holds {kind!r}, which is no exception class")
