"""A history, walked strictly.

Owns: what has to hold of a history beyond what recovery looks at, and that whatever is wrong with it is one error.
Must not know: what is made of a divergence.
"""

from __future__ import annotations

from holdfast.engine import Execution, Issued, recover
from holdfast.errors import HistoryError, HoldfastError
from holdfast.history import Failure, FanOutCompleted, History


def retrace(execution: Execution, history: History, length: int | None = None) -> list[Issued]:
    """Bring an execution to the end of a history, or of its first `length` events; return its tail.

    Raises:
        DivergenceError: the code does something else than history says it did.
        HistoryError: no execution can have written this history.
    """
    for event_id, event in enumerate(history.events, 1):
        if isinstance(event, FanOutCompleted):
            kept = history.outcomes.get(event.step, ())
            if len(kept) != event.count or sum(isinstance(each, Failure) for each in kept) != event.failed:
                raise HistoryError(f"the outcomes of {event.step} are not those of its items", f"event {event_id}")
    try:
        return recover(execution, history.events[:length])
    except HoldfastError:
        raise
    except Exception as error:  # what no engine wrote may be wrong in ways that nobody has thought of
        what = f"the event cannot be applied: {type(error).__name__}: {error}"
        raise HistoryError(what, f"event {execution.applied}") from error
