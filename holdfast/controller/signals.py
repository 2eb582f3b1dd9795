"""Signals that somebody will look at, and those that nobody will.

Owns: whether a workflow has to do with a signal of some name, and the words when it has not.
Must not know: HTTP, webhooks, runs.

A workflow without handlers waits for whatever name it likes. One with handlers may wait for others besides: a name that
stands in its code, as it would in `wait_for_signal("answer")`, is none that was misspelt.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from types import CodeType, FunctionType
from typing import Any

from msgspec import UNSET, UnsetType

from holdfast.authoring import WorkflowDefinition


def takes_signal(definition: WorkflowDefinition[Any, Any], name: str) -> bool:
    """Say whether a workflow may ever look at a signal of this name."""
    return not definition.signals or name in definition.signals or name in _texts(definition)


def unheard(definition: WorkflowDefinition[Any, Any] | None, name: str) -> str | UnsetType:
    """Return why nobody may ever look at a signal; UNSET if somebody may, or the code is elsewhere."""
    if definition is None or takes_signal(definition, name):
        return UNSET
    meant = get_close_matches(name, definition.signals, 1)
    asked = f" Did you mean {meant[0]!r}?" if meant else f" There is: {', '.join(sorted(definition.signals))}."
    return f"{definition.name} has no handler for signal {name!r}.{asked} It is kept for wait_for_signal."


def _texts(definition: WorkflowDefinition[Any, Any]) -> frozenset[str]:
    """Return the texts that stand in a workflow's code."""
    subject = definition.subject
    functions = vars(subject).values() if isinstance(subject, type) else (subject,)
    codes = (each.__code__ for each in (*functions, definition.fn) if isinstance(each, FunctionType))
    return frozenset(text for code in codes for text in _texts_in(code))


def _texts_in(code: CodeType) -> Iterator[str]:
    for each in code.co_consts:
        if isinstance(each, str):
            yield each
        elif isinstance(each, CodeType):
            yield from _texts_in(each)
