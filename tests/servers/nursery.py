"""Programs that are loaded once, and forked whenever a test wants one: what starts is ready as soon as it is needed.

Owns: the process that has loaded a program, and its children, from their start to their end.
Must not know: what the program does.

Most of the time that a stack takes to start goes into importing it, and tests that kill stacks start hundreds. A child
is a process like any other: it has its environment, its arguments and its standard output, and is killed the same way.

    python -m tests.servers.nursery SOCKET MODULE     # MODULE.rehearse(), and MODULE.main(*arguments) in each child

A request is JSON with `arguments` and `environment`. With it come the standard output of the child, and a socket on
which its id is told, and how it ended, each on a line.
"""

from __future__ import annotations

import array
import asyncio
import importlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn

ROOT: Final = Path(__file__).parents[2]
REQUEST_BYTES_MAX: Final = 1 << 20


class Nursling:
    """A child of a nursery, as `asyncio.subprocess.Process` has it."""

    def __init__(self, pid: int, stdout: asyncio.StreamReader, news: asyncio.StreamReader, close: Any) -> None:
        """Know a child that has started."""
        self.pid = pid
        self.stdout = stdout
        self.returncode: int | None = None
        self._close = close
        self._end = asyncio.ensure_future(self._hear(news))

    async def _hear(self, news: asyncio.StreamReader) -> int:
        self.returncode = int(await news.readline() or -signal.SIGKILL)
        self._close()
        return self.returncode

    def kill(self) -> None:
        """Kill it. Raises ProcessLookupError: it has ended."""
        os.kill(self.pid, signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end. Raises ProcessLookupError: it has ended."""
        os.kill(self.pid, signal.SIGTERM)

    async def wait(self) -> int:
        """Wait until it has ended; return its exit status, negative where a signal ended it."""
        return await asyncio.shield(self._end)

    async def communicate(self) -> tuple[bytes, None]:
        """Return what it says from now on until it ends."""
        said = await self.stdout.read()
        await self.wait()
        return said, None


class Nursery:
    """A process that has loaded a program, and starts it by forking."""

    def __init__(self, program: str) -> None:
        """Load `program`, a module with `rehearse()` and `main(*arguments)`."""
        self.program = program
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno()), program], pass_fds=[theirs.fileno()], cwd=ROOT
            )

    async def start(self, *arguments: str, env: Mapping[str, str]) -> Nursling:
        """Start the program with arguments and an environment of its own; its standard output is a pipe."""
        loop = asyncio.get_running_loop()
        reading, writing = os.pipe()
        ours, theirs = socket.socketpair()
        request = json.dumps({"arguments": arguments, "environment": dict(env)}).encode()
        with theirs:
            socket.send_fds(self._socket, [request], [writing, theirs.fileno()])
        os.close(writing)
        stdout = asyncio.StreamReader()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdout), os.fdopen(reading))
        news, writer = await asyncio.open_connection(sock=ours)

        def close() -> None:
            transport.close()
            writer.close()

        return Nursling(int(await news.readline()), stdout, news, close)

    def close(self) -> None:
        """End it and all its children."""
        self._socket.close()
        self._process.wait()


here: Nursery | None = None
"""The nursery of this process of tests, while it has one."""


def main() -> None:
    """Be a nursery until whoever started it is gone."""
    descriptor, name = int(sys.argv[1]), sys.argv[2]
    program: Any = importlib.import_module(name)
    program.rehearse()
    children: dict[int, tuple[int, socket.socket]] = {}
    with socket.socket(fileno=descriptor) as requests, selectors.DefaultSelector() as selector:
        selector.register(requests, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is not requests:
                    selector.unregister(key.fd)
                    _tell_end(key.fd, *children.pop(key.fd))
                    continue
                request, descriptors = _receive(requests)
                if not request:
                    for pid, _news in children.values():
                        with suppress(ProcessLookupError):
                            os.kill(pid, signal.SIGKILL)
                    return
                stdout, news = descriptors
                pid = os.fork()
                if not pid:
                    os.dup2(stdout, 1)
                    for each in (stdout, news, descriptor, *children):
                        os.close(each)
                    _run(program, json.loads(request))
                os.close(stdout)
                child = os.pidfd_open(pid)
                children[child] = pid, socket.socket(fileno=news)
                children[child][1].sendall(b"%d\n" % pid)
                selector.register(child, selectors.EVENT_READ)


def _receive(requests: socket.socket) -> tuple[bytes, list[int]]:
    request, ancillary, _, _ = requests.recvmsg(REQUEST_BYTES_MAX, socket.CMSG_SPACE(2 * array.array("i").itemsize))
    descriptors = array.array("i")
    for _, _, data in ancillary:
        descriptors.frombytes(data)
    return request, list(descriptors)


def _tell_end(descriptor: int, pid: int, news: socket.socket) -> None:
    _, status = os.waitpid(pid, 0)
    os.close(descriptor)
    with news, suppress(OSError):
        news.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))


def _run(program: Any, request: dict[str, Any]) -> NoReturn:
    code = 1
    try:
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.argv[1:] = request["arguments"]
        program.main(*request["arguments"])
        code = 0
    except BaseException:  # noqa: BLE001 - nothing of the nursery may go on here
        traceback.print_exc()
    finally:
        with suppress(OSError):
            sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
