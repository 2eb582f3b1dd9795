"""Child processes in which tasks run that may have to be killed.

Owns: the children: starting them ahead, handing them calls, killing them, noticing how they end.
Must not know: attempts, time-outs, pools.

Each child is the leader of a process group of its own: Ctrl-C in a terminal does not reach it, and killing the group
takes along whatever its task had started. Connections of a killed child are closed by the kernel. One child more than
are busy is kept warm, with the modules of earlier calls imported, so that a call neither waits for an interpreter to
start nor, after a kill, for the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

from holdfast.errors import HoldfastError
from holdfast.history import Exchange, Failure
from holdfast.worker.frames import (
    Beat,
    Begun,
    Call,
    Ended,
    Frame,
    FrameReader,
    Load,
    Prepare,
    encode_frame,
)
from holdfast.worker.meanings import unpack_meaning
from holdfast.worker.spawning import spawn

IDLE_SECONDS_MAX: Final = 60.0
"""A child that had nothing to do for so long ends, unless it is the last one."""
END_GRACE_SECONDS: Final = 1.0
"""How long an idle child may take to end when it is told to."""
LOOK_SECONDS: Final = 0.02
"""How often a child is looked after that is about to end, where the kernel does not tell."""
RECEIVE_BYTES: Final = 1 << 18

Result: TypeAlias = bytes | Failure | None
"""JSON text, or how the call failed, or None when its process was killed on request."""


class Child:
    """One child process."""

    def __init__(self, loop: asyncio.AbstractEventLoop, owner: Processes) -> None:
        """Start it."""
        self.job: Job | None = None
        self.killed = False
        self.timer: asyncio.TimerHandle | None = None
        self._loop = loop
        self._owner = owner
        self._reader = FrameReader()
        self._unsent: deque[memoryview] = deque()
        self._pidfd = -1
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._socket.setblocking(False)
            self._process = spawn("holdfast.worker.child", (theirs.fileno(), os.getpid()), (theirs.fileno(),))
        loop.add_reader(self._socket, self._receive)
        if hasattr(os, "pidfd_open"):
            self._pidfd = os.pidfd_open(self._process.pid)
            loop.add_reader(self._pidfd, self._exited)
        self.send(Prepare(tuple(sys.path), tuple(sys.argv), os.environ.get("PYTHONPATH"), owner.prelude))

    @property
    def pid(self) -> int:
        """Its process id, and its group's."""
        return self._process.pid

    def send(self, frame: Frame) -> None:
        """Send a message, as fast as the child reads. Raises PayloadTooLargeError."""
        self._unsent.append(memoryview(encode_frame(frame)))
        if len(self._unsent) == 1:
            self._transmit()

    def end(self) -> None:
        """Let it end by itself, soon; it is killed when it does not."""
        self._hang_up(half=True)
        if self.timer is None:
            self.timer = self._loop.call_later(END_GRACE_SECONDS, self.kill)

    def kill(self) -> None:
        """Kill it, and everything it started."""
        self.killed = True
        _kill_group(self.pid)
        if self._pidfd < 0:
            self._look()

    def _transmit(self) -> None:
        try:
            while self._unsent:
                sent = self._socket.send(self._unsent[0])
                if sent == len(self._unsent[0]):
                    self._unsent.popleft()
                else:
                    self._unsent[0] = self._unsent[0][sent:]
        except BlockingIOError:
            self._loop.add_writer(self._socket, self._transmit)
            return
        except OSError:  # it is dying; its exit is what counts
            self._unsent.clear()
        self._loop.remove_writer(self._socket)

    def _receive(self) -> None:
        try:
            data = self._socket.recv(RECEIVE_BYTES)
            frames = self._reader.feed(data)
        except BlockingIOError:
            return
        except OSError:
            data, frames = b"", []
        except (HoldfastError, msgspec.DecodeError):  # task code wrote into what is not its own
            self.kill()
            return
        if not data:
            self._hang_up(half=False)
            if not self.killed:  # it closed the line: nothing can be heard from it any more
                _kill_group(self.pid)
            if self._pidfd < 0:
                self._look()
            return
        for frame in frames:
            self._owner.heard(self, frame)

    def _hang_up(self, *, half: bool) -> None:
        if self._socket.fileno() < 0:
            return
        if half:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)
            return
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()

    def _look(self) -> None:
        if self._process.poll() is None:
            self._loop.call_later(LOOK_SECONDS, self._look)
        else:
            self._exited()

    def _exited(self) -> None:
        while self._socket.fileno() >= 0:  # what it said last
            try:
                data = self._socket.recv(RECEIVE_BYTES)
                for frame in self._reader.feed(data) if data else ():
                    self._owner.heard(self, frame)
            except (OSError, HoldfastError, msgspec.DecodeError):
                break
            if not data:
                break
        self._hang_up(half=False)
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
        if self.timer is not None:
            self.timer.cancel()
        _kill_group(self.pid)  # before wait(): until then nobody else can have this number
        self._owner.exited(self, self._process.wait())


class Job:
    """A call in a child process."""

    __slots__ = ("beat", "begun", "call", "called", "child", "done", "moved")

    def __init__(self, call: Call, done: Callable[[Result], None], beat: Callable[[bytes], None]) -> None:
        self.call = call
        self.done = done
        self.beat = beat
        self.called: Callable[[tuple[Exchange, ...]], None] | None = None
        """Told which outside systems the code called, where it failed; before `done`."""
        self.child: Child | None = None
        self.begun = False
        """Whether the child has it, so that its code may have run."""
        self.moved = False
        """Whether a child died before the call began, and another has it now."""

    def kill(self) -> None:
        """Kill the process it runs in, unless it has ended; `done` is then called with None."""
        if self.child is not None and self.child.job is self:
            self.child.kill()


class Processes:
    """The children of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, processes_max: int, prelude: str = "") -> None:
        """Have at most `processes_max` busy children, and one warm one; each first calls `prelude`, if any."""
        self._loop = loop
        self.prelude = prelude
        self._processes_max = processes_max
        self._children: dict[Child, None] = {}
        self._idle: list[Child] = []
        self._loads: dict[Load, None] = {}
        self._number = 0
        self._closing = False
        self._empty: asyncio.Future[None] | None = None

    @property
    def alive(self) -> int:
        """How many children there are, dying ones included."""
        return len(self._children)

    def number(self) -> int:
        """Return a number for the next call."""
        self._number += 1
        return self._number

    def start(self, call: Call, done: Callable[[Result], None], beat: Callable[[bytes], None]) -> Job:
        """Run a call in a child; `done` is called once, on the loop. The caller bounds how many run at once.

        Raises:
            PayloadTooLargeError: the call is too large to be handed over.
            OSError: no process can be started.
        """
        job = Job(call, done, beat)
        self._loads[call.load] = None
        self._hand_over(job)
        return job

    async def close(self) -> None:
        """End idle children, kill busy ones, and wait until all are gone."""
        self._closing = True
        for child in list(self._children):
            if child.job is None:
                child.end()
            else:
                child.kill()
        if self._children:
            self._empty = self._loop.create_future()
            await self._empty

    # What children report --------------------------------------------------------------------------------------------

    def heard(self, child: Child, frame: Frame) -> None:
        """Act on a message of a child."""
        job = child.job
        match frame:
            case Begun():
                if job is not None and job.call.number == frame.number:
                    job.begun = True
            case Beat():
                if job is not None and job.call.number == frame.number:
                    job.beat(frame.progress)
            case Ended():
                if job is not None and job.call.number == frame.number:
                    child.job = None
                    if not child.killed:
                        self._rest(child)
                    failure = frame.failure or Failure("RuntimeError", "the child process gave no result")
                    if frame.meaning is not None:
                        failure = unpack_meaning(frame.meaning)
                    if frame.exchanges and job.called is not None:
                        job.called(frame.exchanges)
                    job.done(failure if frame.result is None else frame.result)
                    self._warm_up()
            case Prepare() | Load() | Call():
                child.kill()  # only parents say this

    def exited(self, child: Child, code: int) -> None:
        """Note that a child is gone."""
        del self._children[child]
        if child in self._idle:
            self._idle.remove(child)
        job, child.job = child.job, None
        if job is not None:
            self._bury(job, None if child.killed else died(code))
        if not self._children and self._empty is not None and not self._empty.done():
            self._empty.set_result(None)

    # -----------------------------------------------------------------------------------------------------------------

    def _bury(self, job: Job, failure: Failure | None) -> None:
        if failure is not None and not (job.begun or job.moved or self._closing):
            # An idle child died, or was about to: that is no reason for a call to fail.
            job.moved = True
            with contextlib.suppress(OSError):
                self._hand_over(job)
                return
        self._warm_up()
        job.done(failure)

    def _hand_over(self, job: Job) -> None:
        child = self._idle.pop() if self._idle else self._start_child()
        if child.timer is not None:
            child.timer.cancel()
            child.timer = None
        try:
            child.send(job.call)
        except HoldfastError:
            self._rest(child)
            raise
        child.job, job.child = job, child

    def _start_child(self) -> Child:
        child = Child(self._loop, self)
        self._children[child] = None
        return child

    def _warm_up(self) -> None:
        """Have a child ready for the next call."""
        if self._closing or self._idle or len(self._children) > self._processes_max:
            return
        try:
            child = self._start_child()
        except OSError:  # no process to be had now; the next call says so
            return
        for load in self._loads:
            child.send(load)
        self._rest(child)

    def _rest(self, child: Child) -> None:
        self._idle.append(child)
        child.timer = self._loop.call_later(IDLE_SECONDS_MAX, self._dismiss, child)

    def _dismiss(self, child: Child) -> None:
        child.timer = None
        if child in self._idle and len(self._idle) > 1:
            self._idle.remove(child)
            child.end()


def died(code: int) -> Failure:
    """Describe a child that ended by itself; `code` as `subprocess` gives it."""
    if code >= 0:
        how = f"it exited with code {code}"
    else:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        how = f"it was killed by {name}"
        if -code == signal.SIGKILL:
            how += ", which nobody here sent; perhaps memory ran out"
    return Failure("ProcessDiedError", f"the child process died during the call: {how}")


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
