"""A child process that runs tasks, one call at a time.

Owns: the process's life: look like the parent, import, run, answer, end with the parent.
Must not know: pools, stores, time-outs. Whoever wants a call to stop kills the process.

Started as `python -m holdfast.worker.child FD PARENT`, where FD is its end of a socket pair. The main thread reads
messages and runs calls, as task code may expect to be on it. A second thread watches for the parent's end to close:
then a running call is ended with the whole process group, so that nothing it started goes on. The kernel does the
same for a process that cannot run Python code any more, see `holdfast.worker.tether`.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import importlib.util
import os
import select
import signal
import socket
import sys
import threading
import time
from datetime import UTC, datetime
from importlib.machinery import SourceFileLoader
from types import ModuleType
from typing import Any, Final

import msgspec

from holdfast.errors import DefinitionError, HoldfastError, LeaseLost
from holdfast.history import Exchange, Failure
from holdfast.ports.task import TaskInfo
from holdfast.worker.attempt import Executable, describe_task_failure, encode_progress, perform_as
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
from holdfast.worker.meanings import pack_meaning
from holdfast.worker.script import module_import, script_import
from holdfast.worker.tether import tether

MAIN: Final = "__holdfast_main__"
"""Name of the user's script in a child: not `__main__`, so that what is guarded by it does not run."""
RECEIVE_BYTES: Final = 1 << 18
BEAT_SECONDS: Final = 0.05
"""Heartbeats that follow each other faster are sent as one: task code may beat in every round of a loop."""


class Parent:
    """The other end of the socket pair."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._reader = FrameReader()
        self._frames: list[Frame] = []
        self._sending = threading.Lock()  # heartbeats may come from any thread

    def receive(self) -> Frame | None:
        """Wait for a message; None when the parent has closed its end."""
        while not self._frames:
            data = self._socket.recv(RECEIVE_BYTES)
            if not data:
                return None
            self._frames = self._reader.feed(data)[::-1]
        return self._frames.pop()

    def send(self, frame: Frame) -> None:
        """Send a message. Raises PayloadTooLargeError; OSError when the parent is gone."""
        data = encode_frame(frame)
        with self._sending:
            self._socket.sendall(data)


class ChildContext:
    """The running attempt, as its code sees it."""

    def __init__(self, call: Call, parent: Parent) -> None:
        self.info = TaskInfo(
            idempotency_key=call.idempotency_key,
            attempt=call.attempt,
            run_id=call.run_id,
            execution=call.execution,
            task=call.task,
            step=call.step,
            fencing_token=call.token,
            deadline=None if call.deadline is None else datetime.fromtimestamp(call.deadline, UTC),
            last_progress=msgspec.json.decode(call.progress) if call.progress else None,
        )
        self.over = False
        self.exchanges: tuple[Exchange, ...] = ()
        self._number = call.number
        self._parent = parent
        self._lock = threading.Lock()
        self._sent_at = 0.0
        self._unsent: bytes | None = None

    def heartbeat(self, progress: Any = None) -> None:
        """Say "still at it", and record `progress` (JSON values) for the next attempt. Thread-safe.

        Raises:
            LeaseLost: the attempt ended; whoever calls this outlived it.
            EncodeError: `progress` has no JSON form.
        """
        if self.over:
            raise LeaseLost(self.info.idempotency_key)
        encoded = b"" if progress is None else encode_progress(progress)
        with self._lock:
            waiting, self._unsent = self._unsent, encoded or self._unsent or b""
            wait = self._sent_at + BEAT_SECONDS - time.monotonic()
            if wait <= 0:
                self._send()
            elif waiting is None:  # the first within BEAT_SECONDS; later ones ride along
                timer = threading.Timer(wait, self.flush)
                timer.daemon = True
                timer.start()

    def flush(self) -> None:
        """Send the heartbeat that waits, if one does."""
        with self._lock, contextlib.suppress(OSError):
            self._send()

    def _send(self) -> None:
        beat, self._unsent = self._unsent, None
        if beat is not None:
            self._sent_at = time.monotonic()
            self._parent.send(Beat(self._number, beat))


class Watch:
    """Ends the process group when the parent is gone while a call runs."""

    def __init__(self, descriptor: int) -> None:
        self.busy = False
        self._descriptor = descriptor

    def start(self) -> None:
        """Begin watching."""
        threading.Thread(target=self._run, name="holdfast-parent", daemon=True).start()

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._descriptor, 0)  # asks for nothing, which still tells of a hang-up
        poll.poll()
        if self.busy:
            os.killpg(os.getpgrp(), signal.SIGKILL)


def find(load: Load, qualname: str) -> Executable:
    """Return the task that a call names; a plain function becomes one.

    Raises:
        DefinitionError: there is none of that name.
        Exception: whatever importing its module raises.
    """
    found: Any = import_module(load)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    if found is None:
        raise DefinitionError(
            what=f"a child process imported {load.module!r} and found no {qualname!r} in it",
            where=load.file,
            remedy='Define the task at the top level of its module, outside `if __name__ == "__main__":`.',
        )
    if hasattr(found, "signature") and hasattr(found, "fn"):
        definition: Executable = found
        return definition
    from holdfast.authoring import plain_task

    made: Executable = plain_task(found)
    return made


def import_module(load: Load) -> ModuleType:
    """Import a module by name if that leads to its file, else by its file."""
    if load.module == "__main__":
        return _import_file(MAIN, load.file)
    with module_import():
        if load.module in sys.modules or not load.file:
            return importlib.import_module(load.module)
        spec = importlib.util.find_spec(load.module)
        if spec is None or (spec.origin is not None and not _is_same(spec.origin, load.file)):
            return _import_file(load.module, load.file)
        return importlib.import_module(load.module)


def _import_file(name: str, file: str) -> ModuleType:
    module = sys.modules.get(name)
    if module is not None:
        return module
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:  # a script may be called anything
        spec = importlib.util.spec_from_loader(name, SourceFileLoader(name, file), origin=file)
        assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it runs: annotations are looked up by module name
    try:
        with script_import() if name == MAIN else contextlib.nullcontext():
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _is_same(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)  # noqa: PTH121 - pathlib is not needed otherwise
    except OSError:
        return False


def run(call: Call, parent: Parent) -> Ended:
    """Make an attempt, and return the answer to it."""
    try:
        definition = find(call.load, call.qualname)
    except BaseException as error:  # noqa: BLE001 - importing runs user code, which may raise anything
        return Ended(call.number, None, describe_task_failure(error))
    context = ChildContext(call, parent)
    try:
        result = perform_as(context, definition, call.input)
    finally:
        context.over = True
        context.flush()
    if isinstance(result, Failure):
        return Ended(call.number, None, result, pack_meaning(result), context.exchanges)
    return Ended(call.number, result)


def serve(parent: Parent, watch: Watch) -> None:
    """Do what the parent says until it closes its end."""
    while (frame := parent.receive()) is not None:
        match frame:
            case Prepare():
                _prepare(frame)
            case Load():
                with contextlib.suppress(Exception):  # the call that needs it says so better
                    import_module(frame)
            case Call():
                watch.busy = True
                parent.send(Begun(frame.number))
                answer = run(frame, parent)
                watch.busy = False
                _flush()
                try:
                    parent.send(answer)
                except HoldfastError as error:
                    parent.send(Ended(frame.number, None, describe_task_failure(error, retryable=False)))
            case Begun() | Beat() | Ended():
                raise AssertionError("only children say this")


def _prepare(frame: Prepare) -> None:
    sys.path[:] = frame.path
    sys.argv[:] = frame.arguments
    if frame.python_path is None:
        os.environ.pop("PYTHONPATH", None)
    else:
        os.environ["PYTHONPATH"] = frame.python_path
    if frame.prelude:
        module, _, function = frame.prelude.partition(":")
        getattr(importlib.import_module(module), function)()


def _flush() -> None:
    # What a task printed must not be lost when the process is killed later.
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # user code may have replaced them
            stream.flush()


def main() -> None:
    """Run calls for the parent that is named on the command line."""
    descriptor, parent_pid = int(sys.argv[1]), int(sys.argv[2])
    tether(parent_pid)
    faulthandler.enable()
    os.set_inheritable(descriptor, False)  # what tasks start must not keep the line open
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True)
    with socket.socket(fileno=descriptor) as sock:
        watch = Watch(descriptor)
        watch.start()
        # The parent is gone, or somebody interrupts an idle child: nothing to say about either.
        with contextlib.suppress(OSError, KeyboardInterrupt):
            serve(Parent(sock), watch)


if __name__ == "__main__":
    # The module runs as `__main__` here, and is imported under its name when anybody else needs it.
    main()
