"""Tasks run without any engine: what `.local(...)` gives to a unit test.

Owns: the task context of a function that nobody claimed.
Must not know: tasks' definitions, engines.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from holdfast.history import Exchange
from holdfast.ports.task import TaskInfo, current_task


class LocalTask:
    """The attempt that `.local(...)` is: the first and only one, without a deadline."""

    def __init__(self, task: str) -> None:
        self.info = TaskInfo(
            idempotency_key=f"local/{task}#1",
            attempt=1,
            run_id="local",
            execution="local",
            task=task,
            step=f"{task}#1",
            fencing_token=1,
            deadline=None,
            last_progress=None,
        )
        self.progress: Any = None
        self.exchanges: tuple[Exchange, ...] = ()

    def heartbeat(self, progress: Any = None) -> None:
        """Keep `progress`: there is nobody to tell."""
        self.progress = progress


@contextmanager
def locally(task: str) -> Iterator[None]:
    """Let `task_info()` and `heartbeat()` work in the block, unless a real attempt is under way."""
    if current_task.get(None) is not None:
        yield
        return
    token = current_task.set(LocalTask(task))
    try:
        yield
    finally:
        current_task.reset(token)
