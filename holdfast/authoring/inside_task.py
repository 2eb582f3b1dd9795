"""What task code may ask about its attempt, and say about its progress.

Owns: `task_info`, `heartbeat`.
Must not know: who runs the attempt.
"""

from __future__ import annotations

from typing import Any

from holdfast.authoring.places import calling_place
from holdfast.errors import OutsideWorkflowError
from holdfast.ports.runtime import current_runtime
from holdfast.ports.task import TaskContext, TaskInfo, current_task


def task_info() -> TaskInfo:
    """Return what is known about the attempt this code is: idempotency key, number, fencing token, deadline.

    ```python
    @task
    async def charge(order: Order) -> Receipt:
        return await bank.charge(order, idempotency_key=task_info().idempotency_key)
    ```

    Raises:
        OutsideWorkflowError: no task is running here.
    """
    return _attempt("task_info()").info


def heartbeat(progress: Any = None) -> None:
    """Say "still at it", and record `progress` for the next attempt, which reads it as `task_info().last_progress`.

    Cheap enough for every round of a loop. Thread-safe.

    Args:
        progress: JSON values; None leaves what was recorded before.

    Raises:
        LeaseLost: the attempt is no longer wanted; stop.
        OutsideWorkflowError: no task is running here.
    """
    _attempt("heartbeat()").heartbeat(progress)


def _attempt(what: str) -> TaskContext:
    context = current_task.get(None)
    if context is not None:
        return context
    if current_runtime.get(None) is not None:
        remedy = "This is workflow code: call it in the task's own code. About the run: run_info()."
    else:
        remedy = "Call it in a @task's code; a unit test runs one with `.local(...)`."
    raise OutsideWorkflowError(f"{what} was called outside a task", calling_place(), remedy)
