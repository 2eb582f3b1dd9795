"""How a run in a store departed from its code, in the words that a replay has for it.

Owns: one question to the replayer, about one execution of a store.
Must not know: who parks runs, what becomes of them.

An orchestrator stops at the first decision that does not fit, and from there alone nobody can tell a new step from one
that got another name. The replayer goes on, and can. So that a run is parked with the word that a deploy check has for
it, the same classifier is asked.
"""

from __future__ import annotations

from typing import Any, Final

from holdfast.errors import DivergenceError, HoldfastError
from holdfast.ports.store import Store
from holdfast.replay.captures.reading import read_run
from holdfast.replay.replayer import WorkflowReplayer

EVENTS_MAX: Final = 10_000
"""Longer histories keep the word of the first look: who asks has other runs that wait meanwhile."""


async def explain_divergence(store: Store, execution_id: int, workflow: Any, error: DivergenceError) -> DivergenceError:
    """Return what a replay of an execution says of its first divergence; `error` itself where it says nothing else.

    Args:
        store: where the execution is.
        execution_id: which one.
        workflow: its code of today.
        error: how it was found to depart.
    """
    try:
        history = await read_run(store, execution_id)
        if len(history.events) > EVENTS_MAX:
            return error
        divergences = WorkflowReplayer(workflow).replay(history).divergences
    except HoldfastError:
        return error  # what was found first stands, whatever is wrong with the rest
    if not divergences:
        return error
    first = divergences[0]
    recorded, attempted = first.recorded, first.attempted
    return DivergenceError(
        error.run_id,
        first.event_id,
        first.kind.value,
        recorded.words if recorded is not None else "nothing",
        attempted.words if attempted is not None else "nothing",
        first.where,
    )
