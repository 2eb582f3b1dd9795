"""Pools as Temporal's task queues.

Owns: their names.
Must not know: who waits there.
"""

from __future__ import annotations

from typing import Final

QUEUE: Final = "holdfast"
"""The task queue of workflows, and of tasks of pool `default`."""
PINNED: Final = f"{QUEUE}:pinned:"
"""What the task queue of a pinned workflow begins with."""


def pinned_queue_of(workflow: str, version: str) -> str:
    """Return the task queue on which runs wait that are pinned to a version: who serves it has that version."""
    return f"{PINNED}{workflow}@{version}"


def queue_of(pool: str) -> str:
    """Return the task queue on which tasks of a pool wait."""
    return QUEUE if pool == "default" else f"{QUEUE}-{pool}"


def pool_of(queue: str) -> str:
    """Return the pool of a task queue; others' queues are pools of that name."""
    return "default" if queue in {QUEUE, ""} else queue.removeprefix(f"{QUEUE}-")
