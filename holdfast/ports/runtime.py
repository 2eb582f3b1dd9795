"""The workflow side: what code inside a workflow can ask for.

Owns: the port that the embedded engine, the replayer and Temporal implement, and
the ContextVar that says which one the code is running on.
Must not know: decorators, commands, history, stores.

Every function of `holdfast` that is called inside a workflow goes through here.
"""

from __future__ import annotations

import random
from asyncio import Future
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NoReturn, Protocol
from uuid import UUID

from holdfast.history import AttributeValue, TaskOptions


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What a workflow may know about itself."""

    run_id: str
    execution: str
    workflow: str
    started_at: datetime
    """Aware, UTC."""
    history_events: int
    should_continue_as_new: bool
    code_version: str = ""
    """Of the code that the run was started with."""
    memo: Mapping[str, str] = field(default_factory=dict)
    """What whoever started the run noted about it."""
    deadline: datetime | None = None
    """When the execution times out: aware, UTC; None is never."""
    parent: str = ""
    """The execution that started this one as its child."""
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    """What the run is found by, with what its code has changed."""


@dataclass(frozen=True, slots=True)
class ChildCall:
    """What it takes to start a child."""

    workflow: str
    payload: bytes
    """Its input as JSON text."""
    run_id: str | None
    """None derives one from the execution and the step."""
    key: str | None
    """The step's key; None numbers it by the workflow's name."""
    parent_close: str
    """What becomes of the child when the run ends: `terminate`, `cancel` or `abandon`."""
    code_version: str
    decode: Callable[[bytes], Any]
    """Turns the result's JSON text into a value."""
    encode_message: Callable[[Any, tuple[Any, ...], Mapping[str, Any]], tuple[str, bytes]]
    """Turns a signal's handler and arguments into its name and JSON text."""
    timeout: float = 0.0
    """How long the child may take, with all executions it goes on as, in seconds; 0 is for ever."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """What it is to be found by: literals, by name."""
    memo: Mapping[str, str] = field(default_factory=dict)


class WorkflowRuntime(Protocol):
    """The only way out of a workflow."""

    def issue_task(
        self, name: str, payload: bytes, options: TaskOptions, key: str | None, decode: Callable[[bytes], Any]
    ) -> Future[Any]:
        """Issue a task; the future resolves to `decode(result)`, or raises TaskError.

        Args:
            name: the task's registered name.
            payload: its input as JSON text.
            options: how it is to be run.
            key: the step's key; None numbers it by name.
            decode: turns the result's JSON text into a value.
        """

    def issue_fan_out(
        self,
        name: str,
        payloads: Sequence[bytes],
        options: TaskOptions,
        key: str | None,
        failures_max: int,
        decode: Callable[[FanOutOutcome], Any],
    ) -> Future[Any]:
        """Issue one task for each of many inputs; the future resolves to `decode(outcome)`."""

    def acquire_lock(self, name: str, slots: int) -> Future[int]:
        """Queue for a lock (`slots` = 1) or a semaphore slot; the future resolves to a fencing token."""

    def release_lock(self, acquired: Future[int]) -> None:
        """Give back what `acquired` holds, or leave the queue."""

    def start_child(self, call: ChildCall) -> Future[Any]:
        """Start a child; the future resolves to its result, raises ChildError, and is cancelled when the child was.

        It also has what a `holdfast.Child` has: `run_id`, `started`, `signal`.
        """

    def signal_run(self, run_id: str, name: str, payload: bytes) -> Future[None]:
        """Send a signal to another run; the future resolves when it is delivered, or raises MessageError."""

    def cancel_run(self, run_id: str, reason: str) -> Future[None]:
        """Ask another run to stop; the future resolves when that is delivered, or raises MessageError."""

    def continue_as_new(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> NoReturn:
        """End this execution; the run goes on as a new one with this input and an empty history."""

    def wait_signal(self, name: str) -> Future[bytes]:
        """Return a future of the next signal called `name` that no handler took, as JSON text."""

    def now(self) -> datetime:
        """Return the time of the event being applied: aware, UTC."""

    def random(self) -> random.Random:
        """Return the run's own generator."""

    def uuid4(self) -> UUID:
        """Return a UUID drawn from the run's own generator."""

    def patched(self, patch_id: str, *, deprecated: bool = False) -> bool:
        """Say whether the changed code path is to be taken.

        Args:
            patch_id: names the change.
            deprecated: only the changed path is left; what history remembers of it may be missing from later code.
        """

    def side_effect(
        self, function: Callable[[], bytes | Awaitable[bytes]], decode: Callable[[bytes], Any]
    ) -> Future[Any]:
        """Call a function outside the workflow and record what it gives; the future resolves to `decode(result)`.

        Args:
            function: returns JSON text, or something to await that does. It may be called again until its outcome is
                recorded.
            decode: turns the JSON text into a value.
        """

    def park(self, reason: str) -> Future[None]:
        """Park the run for `reason`; the future resolves when somebody resumes it."""

    def open_callback(self, seconds: float) -> str:
        """Return a new one-time URL, good for `seconds` (0: while the run is open).

        What is posted there comes as the signal that `holdfast.ports.callbacks.name_of` names.
        """

    def set_attributes(self, changes: Mapping[str, str]) -> None:
        """Change what the run is found by: literals of `holdfast.history.attributes`; empty ones take names away.

        Raises:
            InputError: there would be too many; nothing was changed.
        """

    def handlers_finished(self) -> bool:
        """Say whether no asynchronous signal or update handler is still running."""

    def info(self) -> RunInfo:
        """Return what is known about the run."""


class FanOutOutcome(Protocol):
    """The outcomes of a fan-out, read on demand from where they are stored."""

    count: int
    failed: int

    def get(self, index: int) -> tuple[bool, bytes]:
        """Return (True, result as JSON text) or (False, encoded Failure) of one item."""


current_runtime: ContextVar[WorkflowRuntime] = ContextVar("holdfast_workflow_runtime")
"""Set while workflow code runs; unset everywhere else."""
