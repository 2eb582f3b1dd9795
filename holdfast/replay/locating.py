"""Where in the code of today a history's decisions are made.

Owns: noting it in a history, for whoever compares it with later code.
Must not know: what the comparison is for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from holdfast.authoring import DeterminismGuard, definition_of
from holdfast.errors import DivergenceError
from holdfast.history import Decision, History
from holdfast.replay.retracing import retrace
from holdfast.replay.watched import COMMANDS_BEYOND_MAX, WatchedExecution


def locate(workflow: Any, history: History) -> History:
    """Return a history that says at which line of today's code each of its decisions is made.

    A step that later code does not have any more can then be shown at the line where it was. Decisions that the code
    does not repeat keep what was known of them.

    ```python
    history = locate(ReviewBatch, load_history("tests/histories/b-1.json"))
    Path("tests/histories/b-1.json").write_bytes(to_json(history.events, places=history.places))
    ```

    Args:
        workflow: a class or function with `@workflow`.
        history: of a run of it.

    Raises:
        HistoryError: no execution can have written this history.
        DefinitionError: it is no workflow.
    """
    execution = WatchedExecution(
        definition_of(workflow),
        DeterminismGuard(),
        history.open_fan_out,
        commands_max=len(history.events) + COMMANDS_BEYOND_MAX,
        trace=True,
        sees_ends=True,
    )
    stop = len(history.events)
    try:
        retrace(execution, history)
    except DivergenceError as error:
        stop = error.event_id - 1
    finally:
        execution.evict()
    found = {
        event_id: where
        for event_id, event in enumerate(history.events[:stop], 1)
        if isinstance(event, Decision) and (where := execution.places.get((event.cause, event.ordinal)))
    }
    return replace(history, places={**history.places, **found})
