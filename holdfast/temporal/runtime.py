"""What workflow code calls on Temporal: the engine's own, but for what is Temporal's to say.

Owns: which answers come from Temporal, and what code may not ask for there.
Must not know: how commands are carried out.
"""

from __future__ import annotations

import asyncio
from asyncio import events
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, NoReturn

from temporalio import workflow

from holdfast.authoring import calling_place
from holdfast.engine import Runtime, StepFuture
from holdfast.errors import NotOnEngineError
from holdfast.history import TaskOptions
from holdfast.ports.runtime import RunInfo

ENGINE: Final = "Temporal"


class TemporalRuntime(Runtime):
    """The way out of code that runs on Temporal. See `holdfast.ports.runtime.WorkflowRuntime`."""

    __slots__ = ("_host", "repeats")

    def __init__(self, *parts: Any) -> None:
        """Begin on Temporal's event loop, which is running."""
        super().__init__(*parts)
        self._host = asyncio.get_running_loop()
        self.repeats = False
        """Whether the code repeats a past that it begins with: then that has the marks of patches."""

    def issue_task(
        self, name: str, payload: bytes, options: TaskOptions, key: str | None, decode: Callable[[bytes], Any]
    ) -> StepFuture:
        """Issue a task. See `WorkflowRuntime`."""
        if options.limits is not None and options.limits.is_counted:
            _refuse("rate or concurrency of a task")
        return super().issue_task(name, payload, options, key, decode)

    def patched(self, patch_id: str, *, deprecated: bool = False) -> bool:
        """Say whether the changed code path is to be taken: Temporal keeps the marks. See `WorkflowRuntime`."""
        if self.repeats:
            return super().patched(patch_id, deprecated=deprecated)
        answer = self.patches.known(patch_id)
        if answer is None:
            self._steps.check(f"be the first to ask patched({patch_id!r})")
            with running_on(self._host):
                if deprecated:
                    workflow.deprecate_patch(patch_id)
                answer = deprecated or workflow.patched(patch_id)
            self.patches.keep(patch_id, answer)
        return answer

    def info(self) -> RunInfo:
        """Return what is known about the run; how long its history is, Temporal says."""
        with running_on(self._host):
            now = workflow.info()
            return replace(
                super().info(),
                history_events=now.get_current_history_length(),
                should_continue_as_new=now.is_continue_as_new_suggested(),
            )


class StorelessRuntime(TemporalRuntime):
    """That of a worker which has no store of Holdfast's. What is replayed has been there."""

    __slots__ = ()

    def acquire_lock(self, name: str, slots: int) -> asyncio.Future[int]:
        """Refuse. See `WorkflowRuntime`."""
        if not self.repeats and not self._is_replaying:
            _refuse("lock or semaphore without a store")
        return super().acquire_lock(name, slots)

    def open_callback(self, seconds: float) -> str:
        """Refuse: its URL is signed with a key that is in the store, unless it was made elsewhere."""
        if not self.callbacks:
            _refuse("callback without a store")
        return super().open_callback(seconds)

    @property
    def _is_replaying(self) -> bool:
        with running_on(self._host):
            return workflow.unsafe.is_replaying()


@contextmanager
def running_on(host: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Have Temporal's loop be the running one while the block lasts: its SDK finds the workflow by it."""
    own = events._get_running_loop()  # noqa: SLF001 - what a loop does that runs inside another
    events._set_running_loop(host)  # noqa: SLF001 - the same
    try:
        yield
    finally:
        events._set_running_loop(own)  # noqa: SLF001 - the same


def _refuse(what: str) -> NoReturn:
    raise NotOnEngineError(what, ENGINE, calling_place())
