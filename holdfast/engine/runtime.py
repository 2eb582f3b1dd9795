"""What workflow code asks for, on this engine: the `WorkflowRuntime` port.

Owns: which command each request becomes.
Must not know: who carries commands out.

A new request is a method here, a command in `holdfast.history.commands`, what it
is recorded as in `holdfast.engine.decisions`, and, where it has an outcome, a
function in `holdfast.engine.outcomes`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from random import Random  # the type alone
from typing import Any, Final, NoReturn
from uuid import UUID

from holdfast.engine import machines
from holdfast.engine.closing import Continued
from holdfast.engine.draws import Draws
from holdfast.engine.futures import ChildFuture, MessageFuture, StepFuture
from holdfast.engine.loop import WorkflowLoop
from holdfast.engine.messages import Messages
from holdfast.engine.patches import Patches
from holdfast.engine.steps import Steps
from holdfast.history import (
    AcquireLock,
    FanOutCompleted,
    MarkPatch,
    OpenCallback,
    ParkRun,
    RunSideEffect,
    ScheduleTask,
    SendMessage,
    SetAttributes,
    StartChild,
    StartFanOut,
    TaskOptions,
    WorkflowStarted,
    decode_attributes,
    merge_attributes,
)
from holdfast.ports.callbacks import unsigned
from holdfast.ports.names import numbered
from holdfast.ports.program import Program
from holdfast.ports.runtime import ChildCall, FanOutOutcome, RunInfo

SUGGESTED_EVENTS_MAX: Final = 10_000
"""Above this many events `run_info().should_continue_as_new` is true."""

OpenFanOut = Callable[[str, FanOutCompleted], FanOutOutcome]
"""Gives access to the outcomes of a fan-out, which live beside the history."""


class Runtime:
    """The way out of one execution's code. See `holdfast.ports.runtime.WorkflowRuntime`."""

    __slots__ = (
        "_draws",
        "_loop",
        "_messages",
        "_open_fan_out",
        "_program",
        "_steps",
        "attributes",
        "callbacks",
        "patches",
        "sign",
        "started",
    )

    def __init__(
        self,
        program: Program,
        steps: Steps,
        messages: Messages,
        loop: WorkflowLoop,
        draws: Draws,
        open_fan_out: OpenFanOut,
    ) -> None:
        """Issue commands through `steps`; everything else is known by the other parts."""
        self._program = program
        self._steps = steps
        self._messages = messages
        self._loop = loop
        self._draws = draws
        self._open_fan_out = open_fan_out
        self.patches = Patches()
        self.sign: Callable[[str, str, float], str] = unsigned
        """Makes the URL of a callback from execution, step, and when it expires."""
        self.callbacks: dict[str, str] = {}
        """URLs that history has, by step: a replay makes no others, wherever it is and whatever its key."""
        self.attributes: dict[str, str] = {}
        """What the run is found by, as it is recorded, with what its code has changed."""
        self.started: WorkflowStarted | None = None

    # --- Steps -------------------------------------------------------------------------------------------------

    def issue_task(
        self, name: str, payload: bytes, options: TaskOptions, key: str | None, decode: Callable[[bytes], Any]
    ) -> StepFuture:
        """Issue a task. See `WorkflowRuntime`."""
        steps = self._steps
        step = steps.name(name, key)
        return steps.issue_step(ScheduleTask(step, name, payload, options), step, machines.TASK, decode)

    def issue_fan_out(
        self,
        name: str,
        payloads: Sequence[bytes],
        options: TaskOptions,
        key: str | None,
        failures_max: int,
        decode: Callable[[FanOutOutcome], Any],
    ) -> StepFuture:
        """Issue one task for each of many inputs. See `WorkflowRuntime`."""
        step = self._steps.name("map", key)
        items = tuple(payloads)
        digest = blake2b(digest_size=16)
        for each in items:
            digest.update(len(each).to_bytes(8, "big"))
            digest.update(each)
        command = StartFanOut(step, name, items, digest.digest(), options, failures_max)
        open_fan_out = self._open_fan_out

        def decode_event(event: FanOutCompleted) -> Any:
            return decode(open_fan_out(step, event))

        return self._steps.issue_step(command, step, machines.FAN_OUT, decode_event)

    def acquire_lock(self, name: str, slots: int) -> asyncio.Future[int]:
        """Queue for a lock. See `WorkflowRuntime`."""
        step = self._steps.name(f"lock({name})", None)
        return self._steps.issue_step(AcquireLock(step, name, slots), step, machines.LOCK, None)

    def release_lock(self, acquired: asyncio.Future[int]) -> None:
        """Give back a held lock. See `WorkflowRuntime`."""
        assert isinstance(acquired, StepFuture)
        self._steps.give_back(acquired)

    def side_effect(
        self, function: Callable[[], bytes | Awaitable[bytes]], decode: Callable[[bytes], Any]
    ) -> StepFuture:
        """Have a function called and its value recorded. See `WorkflowRuntime`."""
        step = self._steps.name("side_effect", None)
        self._steps.functions[step] = function
        return self._steps.issue_step(RunSideEffect(step), step, machines.SIDE_EFFECT, decode)

    def park(self, reason: str) -> StepFuture:
        """Park the run. See `WorkflowRuntime`."""
        step = self._steps.name("park", None)
        return self._steps.issue_step(ParkRun(step, reason), step, machines.PARK, None)

    def open_callback(self, seconds: float) -> str:
        """Return a new URL. See `WorkflowRuntime`."""
        step = self._steps.name("callback", None)
        started = self.started
        assert started is not None
        expires_at = self._loop.now + seconds if seconds else 0.0
        url = self.callbacks.get(step) or self.sign(numbered(started.run_id, started.execution), step, expires_at)
        self._steps.issue(OpenCallback(step, url))
        return url

    def set_attributes(self, changes: Mapping[str, str]) -> None:
        """Change what the run is found by. See `WorkflowRuntime`."""
        self._steps.check("set attributes")
        self.attributes = merge_attributes(self.attributes, changes)
        self._steps.issue(SetAttributes(dict(changes)))

    # --- Other runs --------------------------------------------------------------------------------------------

    def start_child(self, call: ChildCall) -> ChildFuture:
        """Start a child. See `WorkflowRuntime`."""
        step = self._steps.name(call.workflow, call.key)
        assert self.started is not None
        run_id = call.run_id or f"{self.started.execution}:{step}"
        command = StartChild(
            step,
            call.workflow,
            run_id,
            call.payload,
            call.parent_close,
            call.code_version,
            call.timeout,
            dict(call.attributes),
            dict(call.memo),
        )
        future = self._steps.issue_step(command, step, machines.CHILD, call.decode, ChildFuture)

        def send(run_id: str, signal: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> asyncio.Future[None]:
            return self.signal_run(run_id, *call.encode_message(signal, args, kwargs))

        future.begin(run_id, send)
        return future

    def signal_run(self, run_id: str, name: str, payload: bytes) -> asyncio.Future[None]:
        """Send a signal to another run. See `WorkflowRuntime`."""
        step = self._steps.name(f"signal({name})", None)
        return self._send(SendMessage(step, run_id, "signal", name, payload), step)

    def cancel_run(self, run_id: str, reason: str) -> asyncio.Future[None]:
        """Ask another run to stop. See `WorkflowRuntime`."""
        step = self._steps.name("cancel", None)
        return self._send(SendMessage(step, run_id, "cancel", "", reason.encode()), step)

    def _send(self, command: SendMessage, step: str) -> asyncio.Future[None]:
        return self._steps.issue_step(command, step, machines.MESSAGE, None, MessageFuture)

    def continue_as_new(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> NoReturn:
        """End this execution, and go on as a new one. See `WorkflowRuntime`."""
        self._steps.check("continue as new")
        raise Continued(self._program.encode_input(args, kwargs))

    # --- Messages ----------------------------------------------------------------------------------------------

    def wait_signal(self, name: str) -> asyncio.Future[bytes]:
        """Return a future of the next signal called `name`. See `WorkflowRuntime`."""
        self._steps.check(f"wait for signal {name!r}")
        future: asyncio.Future[bytes] = self._loop.create_future()
        self._messages.mail.wait(name, future)
        return future

    def handlers_finished(self) -> bool:
        """Say whether no asynchronous handler is still running."""
        return not self._messages.handlers

    # --- What the run knows ------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """Return the time of the event being applied: aware, UTC."""
        return datetime.fromtimestamp(self._loop.now, UTC)

    def random(self) -> Random:
        """Return the run's own generator."""
        self._steps.check("draw a random number")
        return self._draws.generator()

    def uuid4(self) -> UUID:
        """Return a UUID drawn from the run's own generator."""
        return UUID(int=self.random().getrandbits(128), version=4)

    def patched(self, patch_id: str, *, deprecated: bool = False) -> bool:
        """Say whether the changed code path is to be taken. See `WorkflowRuntime`."""
        answer = self.patches.known(patch_id)
        if answer is None:
            steps = self._steps
            steps.check(f"be the first to ask patched({patch_id!r})")
            answer = self.patches.decide(patch_id, steps.cause)
            if answer:
                steps.mark(MarkPatch(patch_id, deprecated))
        return answer

    def info(self) -> RunInfo:
        """Return what is known about the run."""
        started, events = self.started, self._steps.cause
        assert started is not None
        return RunInfo(
            run_id=started.run_id,
            execution=started.execution,
            workflow=started.workflow,
            started_at=datetime.fromtimestamp(started.time, UTC),
            history_events=events,
            should_continue_as_new=events > SUGGESTED_EVENTS_MAX,
            code_version=started.code_version,
            memo=dict(started.memo),
            deadline=datetime.fromtimestamp(started.due, UTC) if started.due else None,
            parent=started.parent,
            attributes=decode_attributes(self.attributes),
        )
