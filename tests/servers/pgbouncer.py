"""A pgbouncer of the tests' own in front of a PostgreSQL server, in transaction mode, on a free port.

Owns: how it is told whom it stands in front of, how it is started and asked whether it is there.
Must not know: what is sent through it, pytest.

It gives each transaction any of its few connections to the server, so that nothing can be kept on one between two.
"""

from __future__ import annotations

import shutil
import signal
import socket
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from tests.servers.postgres import USER, Postgres
from tests.servers.serving import Server
from tests.servers.ward import ServerError, Ward, harmless_user

INSTALL: Final = "apt-get install pgbouncer"
PROGRAM: Final = "pgbouncer"
FOLDER: Final = Path("/usr/sbin")  # where Debian has it, which is not in everybody's PATH
SERVER_CONNECTIONS: Final = 20
"""How many connections to the server there are for each database."""

SETTINGS: Final = f"""\
[databases]
* = host=127.0.0.1 port={{server_port}} user={USER} password={{password}}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {{port}}
unix_socket_dir =
auth_type = plain
auth_file = {{folder}}/users
pool_mode = transaction
default_pool_size = {SERVER_CONNECTIONS}
max_client_conn = 1000
server_lifetime = 5
log_connections = 0
log_disconnections = 0
log_stats = 0
"""


def find_program() -> str | None:
    """Return the path of pgbouncer; None when it is not installed."""
    beside = FOLDER / PROGRAM
    return shutil.which(PROGRAM) or (str(beside) if beside.exists() else None)


class Pgbouncer(Server):
    """A pooler. It runs from the beginning; `close` ends it and removes every trace."""

    def __init__(self, server: Postgres) -> None:
        """Stand in front of `server`, also when it is started again.

        Raises:
            ServerError: the program is not there, or it did not start.
        """
        program = find_program()
        if program is None:
            raise ServerError(f"pgbouncer is not installed: {INSTALL}")
        self._program = program
        self._server = server
        self._password = urlsplit(server.dsn()).password or ""
        super().__init__(Ward("pgbouncer", signal.SIGINT, harmless_user("postgres", "nobody")))
        try:
            self._start_first()
        except BaseException:
            self.close()
            raise

    def start(self) -> None:
        """Start it, with its settings for the port; return when it answers."""
        self._ward.start([self._program, str(self._write_settings())], self._is_ready)

    def dsn(self, dsn: str) -> str:
        """Return the address by which a database, given by its address on the server, is reached through the pooler."""
        there = urlsplit(dsn)
        query = "&".join(filter(None, (there.query, "pooler=transaction")))
        return f"postgresql://{USER}:{self._password}@127.0.0.1:{self.port}{there.path}?{query}"

    def _write_settings(self) -> Path:
        folder = self._ward.folder
        settings = SETTINGS.format(
            folder=folder, port=self.port, server_port=self._server.port, password=self._password
        )
        for name, text in (("pgbouncer.ini", settings), ("users", f'"{USER}" "{self._password}"\n')):
            path = folder / name
            path.write_text(text, encoding="ascii")
            path.chmod(0o600)
            if self._ward.user is not None:
                shutil.chown(path, self._ward.user)
        return folder / "pgbouncer.ini"

    def _is_ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as connection:
                connection.sendall(b"\0\0\0\x08\x04\xd2\x16\x2f")  # asks whether it speaks TLS
                return connection.recv(1) in {b"S", b"N"}
        except OSError:
            return False
