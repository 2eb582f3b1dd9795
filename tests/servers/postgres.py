"""A PostgreSQL server of the tests' and benchmarks' own: a fresh cluster in a folder of its own, on a free port.

Owns: where the programs are, how a cluster is made and started, its databases.
Must not know: what is stored in it, pytest.

    with Postgres() as server:
        dsn = server.create_database()
        ...
        server.kill9()
        server.start()

Commits are durable (fsync is on) unless `settings` say otherwise. Texts are ordered by a language's rules, as on most
servers, so that a statement that needs them in the order of their bytes has to say so.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path

from tests.servers.serving import Server
from tests.servers.ward import ServerError, Ward, harmless_user

INSTALL = "apt-get install postgresql"
FOLDERS = Path("/usr/lib/postgresql")  # Debian keeps the programs of each version apart, and out of PATH
PROGRAMS = ("initdb", "postgres", "psql")
USER = "holdfast"

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "dynamic_shared_memory_type": "mmap",  # in the folder, so that a killed server leaves nothing in /dev/shm
    "log_min_messages": "warning",
}


def find_programs() -> Path | None:
    """Return the folder with PostgreSQL's programs, of the newest version; None when they are not installed."""
    on_path = shutil.which("initdb")
    folders = [] if on_path is None else [Path(on_path).resolve().parent]
    folders += sorted(FOLDERS.glob("*/bin"), key=lambda folder: int(re.sub(r"\D", "", folder.parent.name) or 0))[::-1]
    return next((each for each in folders if all((each / program).exists() for program in PROGRAMS)), None)


class Postgres(Server):
    """A server. It runs from the beginning; `close` ends it and removes every trace."""

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        """Make a cluster and start it, with `settings` on top of SETTINGS.

        Raises:
            ServerError: the programs are not there, or it did not start.
        """
        programs = find_programs()
        if programs is None:
            raise ServerError(f"PostgreSQL is not installed: {INSTALL}")
        self._programs = programs
        self._settings = {**SETTINGS, **(settings or {})}
        self._password = secrets.token_hex(16)
        self._databases = 0
        super().__init__(Ward("postgres", signal.SIGINT, harmless_user("postgres", "nobody")))
        self._data = self._ward.folder / "data"
        self.door = 0
        """The port that addresses name, where somebody stands in front of it; 0 is its own."""
        try:
            self._make_cluster()
            self._start_first()
        except BaseException:
            self.close()
            raise

    def dsn(self, database: str = "postgres") -> str:
        """Return the address of a database."""
        return f"postgresql://{USER}:{self._password}@127.0.0.1:{self.door or self.port}/{database}"

    def create_database(self, template: str = "template1") -> str:
        """Create a database, a copy of `template`; return its address."""
        self._databases += 1
        name = f"d{self._databases}"
        self.run(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.dsn(name)

    def drop_database(self, dsn: str) -> None:
        """Drop a database, whoever is connected to it."""
        self.run(f'DROP DATABASE "{dsn.rpartition("/")[2]}" WITH (FORCE)')

    def run(self, sql: str, database: str = "postgres") -> str:
        """Run one command; return what it answers, a line for each row.

        Raises:
            ServerError: the server refused it.
        """
        command = [str(self._programs / "psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", self.dsn(database), "-c", sql]
        return self._ward.run(command)

    def start(self) -> None:
        """Start it again after `stop` or `kill9`, on the same port; return when it takes connections."""
        (self._data / "postmaster.pid").unlink(missing_ok=True)  # a killed one's, which would read "ready"
        command = [str(self._programs / "postgres"), "-D", str(self._data), "-p", str(self.port)]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        self._ward.start(command, self._is_ready)

    def close(self) -> None:
        """End it and remove every trace."""
        self._ward.stop()
        self._free_shared_memory()
        self._ward.close()

    def _free_shared_memory(self) -> None:
        """Remove the key segment of a server that was killed and not started again."""
        try:
            key_and_segment = (self._data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[6].split()
        except (OSError, IndexError):
            return
        with contextlib.suppress(ServerError, FileNotFoundError):
            self._ward.run(["ipcrm", "-m", key_and_segment[1]])

    def _make_cluster(self) -> None:
        secret = self._ward.folder / "password"
        secret.write_text(self._password, encoding="ascii")
        if self._ward.user is not None:
            shutil.chown(secret, self._ward.user)
        command = [str(self._programs / "initdb"), "--pgdata", str(self._data), "--no-sync", "--encoding=UTF8"]
        command += ["--username", USER, "--auth=scram-sha-256", f"--pwfile={secret}", "--locale=C.UTF-8"]
        if self._version() >= 15:
            command += ["--locale-provider=icu", "--icu-locale=en-US"]
        self._ward.run(command)
        secret.unlink()

    def _version(self) -> int:
        words = self._ward.run([str(self._programs / "postgres"), "--version"])
        found = re.search(r"\) (\d+)", words)
        assert found, words
        return int(found[1])

    def _is_ready(self) -> bool:
        try:
            lines = (self._data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except OSError:
            return False
        return len(lines) > 7 and int(lines[0]) == self._ward.pid and lines[7].strip() == "ready"
