"""`asyncio.TaskGroup`, alike on every Python.

Owns: what a group does on a workflow's loop.
Must not know: history, steps.

Why: from 3.12 on a group looks at once at a member that is already done, where 3.11 lets the loop do it in its turn;
3.13 counts cancellations differently. Both move what the rest of a drain issues. Members are kept in order of joining,
so that an aborted group cancels them in that order.

These functions take the place of the methods of asyncio's own class, and use the attributes that its `__init__` makes.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from types import TracebackType
from typing import Any, Final

from holdfast.engine.futures import OrderedTask, StepFuture


class Members:
    """The state of a group on a workflow's loop."""

    def __init__(self, parent: OrderedTask) -> None:
        """Belong to `parent`, the task inside the `async with` block."""
        self.parent = parent
        self.running: dict[asyncio.Future[Any], None] = {}
        self.errors: list[BaseException] = []
        self.fatal: BaseException | None = None
        """A SystemExit or KeyboardInterrupt, which leaves the block as it is."""
        self.is_leaving = False
        self.is_aborting = False
        self.has_cancelled_parent = False
        self.all_done: asyncio.Future[bool] | None = None

    def abort(self) -> None:
        """Cancel every member, in order of joining."""
        self.is_aborting = True
        for member in list(self.running):
            if not member.done():
                member.cancel()

    def on_done(self, member: asyncio.Future[Any]) -> None:
        """Let a member leave the group; its failure aborts the others and the block."""
        if member not in self.running:
            return  # it joined twice
        del self.running[member]
        if not self.running and self.all_done is not None and not self.all_done.done():
            self.all_done.set_result(True)
        if member.cancelled():
            return
        error = member.exception()
        if error is None:
            return
        self.errors.append(error)
        if self.fatal is None and isinstance(error, SystemExit | KeyboardInterrupt):
            self.fatal = error
        if self.parent.done():
            self.parent.get_loop().call_exception_handler(
                {"message": "a member of a TaskGroup failed after its block had ended", "exception": error}
            )
        elif not self.is_aborting and not self.has_cancelled_parent:
            self.abort()
            self.has_cancelled_parent = True
            self.parent.cancel()

    async def wait_done(self) -> asyncio.CancelledError | None:
        """Wait for all members; return the cancellation that interrupted the wait, if one did."""
        interrupted = None
        while self.running:
            if self.all_done is None:
                self.all_done = self.parent.get_loop().create_future()
            try:
                await self.all_done
            except asyncio.CancelledError as error:
                if not self.is_aborting:
                    interrupted = error
                    self.abort()
            self.all_done = None
        return interrupted


_MEMBERS: Final = "_holdfast_members"


async def enter(self: asyncio.TaskGroup) -> asyncio.TaskGroup:
    """Begin the block."""
    if hasattr(self, _MEMBERS):
        raise RuntimeError(f"{self!r} was entered already")
    parent = asyncio.current_task()
    if parent is None:
        raise RuntimeError(f"{self!r} cannot tell which task it belongs to")
    assert isinstance(parent, OrderedTask)  # a workflow's loop makes no others
    setattr(self, _MEMBERS, Members(parent))
    return self


async def leave(
    self: asyncio.TaskGroup, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
) -> None:
    """Wait for all members, then raise what went wrong."""
    members: Members = getattr(self, _MEMBERS)
    members.is_leaving = True
    is_cancelled = kind is not None and issubclass(kind, asyncio.CancelledError)
    cancellation = error if is_cancelled else None
    if members.fatal is None and isinstance(error, SystemExit | KeyboardInterrupt):
        members.fatal = error
    if kind is not None and not members.is_aborting:
        members.abort()
    cancellation = await members.wait_done() or cancellation
    try:
        if members.fatal is not None:
            raise members.fatal
        if members.has_cancelled_parent and members.parent.uncancel() == 0:
            cancellation = None  # it was this group's own
        if cancellation is not None and not members.errors:
            raise cancellation
        if error is not None and not is_cancelled:
            members.errors.append(error)
        if members.errors:
            if members.parent.cancelling():
                # Cancelled from outside as well: the errors go first, the cancellation waits for the next await.
                members.parent.recancel()
            raise BaseExceptionGroup("unhandled errors in a TaskGroup", members.errors) from None
    finally:
        members.errors = []
        members.fatal = cancellation = error = None  # break reference cycles through the traceback


def create_task(
    self: asyncio.TaskGroup, coro: Any, *, name: str | None = None, context: Context | None = None, **_: Any
) -> asyncio.Future[Any]:
    """Start a member; a step is one as it is."""
    members: Members | None = getattr(self, _MEMBERS, None)
    problem = ""
    if members is None:
        problem = "has not been entered"
    elif members.is_leaving and not members.running:
        problem = "is finished"
    elif members.is_aborting:
        problem = "is shutting down"
    if problem:
        _refuse(coro)
        raise RuntimeError(f"TaskGroup {problem}")
    assert members is not None
    loop = members.parent.get_loop()
    task: asyncio.Future[Any] = loop.create_task(coro, name=name, context=context)
    if task not in members.running:
        members.running[task] = None
        task.add_done_callback(members.on_done)
    return task


def _refuse(coro: Any) -> None:
    if isinstance(coro, StepFuture):
        coro.cancel()
    elif hasattr(coro, "close"):
        coro.close()
