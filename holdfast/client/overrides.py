"""Results that somebody puts in the place of recorded ones, held against what the steps' code returns.

Owns: which step's type a result has to fit, as far as the code is known.
Must not know: where the history was read, who forks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from holdfast.authoring import Registry
from holdfast.errors import InputError, UnknownNameError
from holdfast.history import AnyEvent, ChildScheduled, TaskScheduled


def check_overrides(registry: Registry | None, events: Iterable[AnyEvent], override: Mapping[str, bytes]) -> list[str]:
    """Check the results of tasks and children that a fork is to record; return the steps whose types are not known.

    Args:
        registry: the code that is known; None for none.
        events: of the run that is forked.
        override: results as JSON text, by step.

    Raises:
        InputError: one does not fit what its step returns; each is named.
    """
    names = {each.step: each for each in events if isinstance(each, TaskScheduled | ChildScheduled)}
    problems: list[tuple[str, str]] = []
    unknown: list[str] = []
    for step, result in override.items():
        decode = _decoder(registry, names.get(step))
        if decode is None:
            unknown.append(step)
            continue
        try:
            decode(result)
        except InputError as error:
            problems += [(f"/{step}{at}", problem) for at, problem in error.problems]
    if problems:
        raise InputError("the override", tuple(problems))
    return unknown


def _decoder(
    registry: Registry | None, scheduled: TaskScheduled | ChildScheduled | None
) -> Callable[[bytes], Any] | None:
    if registry is None or scheduled is None:
        return None
    try:
        if isinstance(scheduled, ChildScheduled):
            return registry.workflow(scheduled.workflow).decode_result
        return registry.task(scheduled.task).signature.decode_result
    except UnknownNameError:
        return None
