"""A Redis server of the tests' and benchmarks' own, on a free port, which keeps nothing on disk.

Owns: how it is started and asked whether it is there.
Must not know: what is sent through it, pytest.
"""

from __future__ import annotations

import shutil
import signal
import socket
from collections.abc import Mapping

from tests.servers.serving import Server
from tests.servers.ward import ServerError, Ward

INSTALL = "apt-get install redis-server"
PROGRAM = "redis-server"

SETTINGS: Mapping[str, str] = {"bind": "127.0.0.1", "save": "", "appendonly": "no", "daemonize": "no"}


class Redis(Server):
    """A server. It runs from the beginning; `close` ends it and removes every trace."""

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        """Start it, with `settings` on top of SETTINGS.

        Raises:
            ServerError: the program is not there, or it did not start.
        """
        program = shutil.which(PROGRAM)
        if program is None:
            raise ServerError(f"Redis is not installed: {INSTALL}")
        self._program = program
        self._settings = {**SETTINGS, **(settings or {})}
        super().__init__(Ward("redis", signal.SIGTERM))
        try:
            self._start_first()
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it again after `stop` or `kill9`, on the same port; return when it answers."""
        command = [self._program, "--port", str(self.port), "--dir", str(self._ward.folder)]
        for name, value in self._settings.items():
            command += [f"--{name}", value]
        self._ward.start(command, self._is_ready)

    def _is_ready(self) -> bool:
        """Say whether this very process answers: another one may have the port."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as connection:
                connection.sendall(b"INFO server\r\n")
                return f"process_id:{self._ward.pid}\r\n".encode() in connection.recv(65536)
        except OSError:
            return False
