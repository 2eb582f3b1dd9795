"""What an application imports to start runs and talk to them.

Owns: the typed door: definitions in, handles out.
Must not know: how requests travel, or that there is a store.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import uuid4

import msgspec

from holdfast.authoring import Duration, Startable, parse_duration, startable
from holdfast.client.handle import RunHandle
from holdfast.ports.engine import Engine, StartRequest
from holdfast.ports.operations import RunRecord


class WorkflowClient:
    """Starts runs and finds them again, on any engine."""

    def __init__(self, engine: Engine) -> None:
        """Speak to `engine`."""
        self.engine = engine

    async def start(
        self,
        workflow: Any,
        *args: Any,
        id: str | None = None,
        timeout: Duration | None = None,
        execution_timeout: Duration | None = None,
        **kwargs: Any,
    ) -> RunHandle[Any]:
        """Start a run; once this returns it cannot be lost.

        Args:
            workflow: a workflow, or its registered name.
            args: its input.
            id: the run id, which is also its idempotency key; a new UUID when None.
            timeout: how long the run may take, with all executions it goes on as; then it ends as TIMED_OUT, and its
                code is not asked. None is for ever. An argument of the workflow with this name goes by position.
            execution_timeout: how long each of its executions may take.
            kwargs: its input.

        Returns:
            A handle. The same id with the same input again gives the same run.

        Raises:
            RunConflictError: the id is taken by another workflow or input.
            InputError, EncodeError: the input does not fit.
        """
        target = startable(workflow)
        request = msgspec.structs.replace(
            _request(target, id, args, kwargs),
            timeout=_seconds(timeout, "timeout"),
            execution_timeout=_seconds(execution_timeout, "execution_timeout"),
        )
        (started,) = await self.engine.start([request])
        return RunHandle(self.engine, request.run_id, target.decode_result, created=started.created)

    async def start_many(self, workflow: Any, inputs: Iterable[tuple[str | None, Any]]) -> list[RunHandle[Any]]:
        """Start many runs of a one-input workflow in one commit.

        Args:
            workflow: a workflow, or its registered name.
            inputs: (run id or None, input) pairs.

        Raises:
            RunConflictError: an id is taken; the other runs were started.
        """
        target = startable(workflow)
        requests = [_request(target, run_id, (value,), {}) for run_id, value in inputs]
        if not requests:
            return []
        started = await self.engine.start(requests)
        return [
            RunHandle(self.engine, request.run_id, target.decode_result, created=each.created)
            for request, each in zip(requests, started, strict=True)
        ]

    async def submit(self, task: Any, *args: Any, id: str | None = None, **kwargs: Any) -> RunHandle[Any]:
        """Run one task durably, without writing a workflow.

        Args:
            task: a task, or a plain function at module level.
            args: its arguments.
            id: the run id; a new UUID when None.
            kwargs: its arguments.

        Raises:
            As `start`.
        """
        target = startable(task, as_task=True)
        request = _request(target, id, args, kwargs)
        (started,) = await self.engine.start([request])
        return RunHandle(self.engine, request.run_id, target.decode_result, created=started.created)

    def handle(self, run_id: str, workflow: Any = None) -> RunHandle[Any]:
        """Refer to a run by its id; with its workflow, results are decoded to its types."""
        target = startable(workflow) if workflow is not None else None
        return RunHandle(self.engine, run_id, target.decode_result if target is not None else None)

    async def runs(
        self,
        *,
        workflow: str | None = None,
        status: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> tuple[list[RunRecord], str | None]:
        """Return runs, newest first, and the cursor of the next page."""
        return await self.engine.runs(workflow=workflow, status=status, cursor=cursor, limit=limit)


def _request(target: Startable, run_id: str | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> StartRequest:
    return StartRequest(
        target.name,
        run_id if run_id is not None else uuid4().hex,
        target.encode_call(args, kwargs),
        target.code_version,
        pin=target.pin,
    )


def _seconds(duration: Duration | None, what: str) -> float:
    return 0.0 if duration is None else parse_duration(duration, f"{what} of a run")
