"""Histories that another engine recorded, for code that was written for this one.

Owns: which execution replays a history, the names of arguments that were recorded without, and the numbers that its
events have in the file.
Must not know: how such a history is read, what a difference is.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from holdfast.authoring import WorkflowDefinition
from holdfast.engine import BatchedExecution
from holdfast.errors import HistoryError
from holdfast.history import AnyEvent, History, SignalReceived, UpdateAccepted, WorkflowStarted
from holdfast.replay.result import ReplayResult
from holdfast.replay.watched import WatchedExecution

_EVENT: Final = re.compile(r"event (\d+)")


class WatchedBatches(WatchedExecution, BatchedExecution):
    """A watched execution that drains where the history's engine did."""


def with_argument_names(history: History, definition: WorkflowDefinition[Any, Any]) -> History:
    """Return the history with several arguments as Holdfast's payload rule has them: an object, by parameter name.

    Temporal records them as a list. A history of ours is returned as it is.
    """
    if not history.drains:
        return history
    events = tuple(_named(each, _taker_of(each, definition)) for each in history.events)
    return dataclasses.replace(history, events=events)


def in_numbers_of_the_file(result: ReplayResult, history: History) -> ReplayResult:
    """Return the result with the numbers that events have in the file they were read from."""
    sources = history.sources
    if not sources:
        return result
    return dataclasses.replace(
        result,
        divergences=tuple(_renumbered(each, sources) for each in result.divergences),
        payload_problems=tuple(_renumbered(each, sources) for each in result.payload_problems),
        rows=tuple(_renumbered(each, sources) for each in result.rows),
    )


def error_in_numbers_of_the_file(error: HistoryError, history: History) -> HistoryError:
    """Return the error with the number that its event has in the file it was read from."""
    sources = history.sources
    found = _EVENT.fullmatch(error.where)
    if not sources or found is None or int(found[1]) > len(sources):
        return error
    return HistoryError(error.what, f"event {sources[int(found[1]) - 1]}")


def _taker_of(event: AnyEvent, definition: WorkflowDefinition[Any, Any]) -> Any:
    """Return what takes an input's arguments: the workflow or one of its handlers, None where nothing does."""
    match event:
        case WorkflowStarted():
            return definition
        case SignalReceived():
            return definition.signals.get(event.name)
        case UpdateAccepted():
            return definition.updates.get(event.name)
        case _:
            return None


def _named(event: Any, taker: Any) -> Any:
    if taker is None or len(taker.signature.parameters) < 2:
        return event
    signature = taker.signature
    names = [each.name for each in signature.parameters]
    value = msgspec.json.decode(event.input)
    match value:
        case list():
            named = dict(zip(names, value, strict=False))
        case dict() if value.keys() <= set(names):
            return event
        case None:
            named = {}
        case _:
            named = {names[0]: value}
    return msgspec.structs.replace(event, input=msgspec.json.encode(named))


def _renumbered(item: Any, sources: Sequence[int]) -> Any:
    event_id = item.event_id
    if event_id is None or not 0 < event_id <= len(sources):
        return item
    return dataclasses.replace(item, event_id=sources[event_id - 1])
