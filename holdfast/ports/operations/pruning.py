"""What is old.

Owns: forgetting it.
Must not know: who decides what is old.
"""

from __future__ import annotations

from holdfast.ports.operations.base import Value


class Prune(Value, frozen=True):
    """Let go of the histories of executions that closed before a time: events, payloads, outcomes of fan-outs.

    Their rows stay: id, status, end. Nothing of an open execution is touched, nor a payload that one names, or that a
    closed one names whose history is kept. Result: Pruned.
    """

    before: float
    after: int = 0
    """Only executions with a larger id than this: where the batch before ended."""
    executions: int = 100
    """How many executions are looked at."""
    uncaptured: bool = False
    """Also those that failed or timed out and of which a capture is still to be made."""


class Pruned(Value, frozen=True):
    """What a batch of pruning let go."""

    executions: int
    pages: int
    payloads: int
    next_after: int | None
    """`after` of the next batch; None when this was the last."""
