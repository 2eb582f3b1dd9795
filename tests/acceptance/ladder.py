"""The script ladder's first rung as users are shown it, and programs around it.

Owns: the snippet, word for word; the files of a script in a folder; a running script.
Must not know: what any test is about.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Self

from holdfast.app.connection import connect
from holdfast.app.default_store import default_settings

SNIPPET = """\
from holdfast import Ledger, heartbeat_monitor
db = Ledger()
def process_task_with_retry(task_id, payload):
    if db.is_already_processed(task_id):
        return
    with heartbeat_monitor(task_id):        # leases task_id, beats from outside the thread, reads the ledger again under the lease:
        result = llm.generate_report(payload)   #   AlreadyProcessed if done meanwhile, LeaseHeld if somebody alive has it
        db.mark_done(task_id, result)       # refused if the lease was lost; without a lease the first writer wins
"""  # noqa: E501 - word for word

EFFECT = """\
import ctypes, os, re, signal, sys, threading, time

def write_down(file):
    with open(file, "a") as lines:
        lines.write(f"{os.getpid()}\\n")

class llm:
    @staticmethod
    def generate_report(payload):
        write_down("effects")
"""

LEASE_SECONDS = 1.0


def write_script(folder: Path, effect: str, body: str) -> None:
    """Write `bot.py`, which holds the snippet, and `main.py`, which uses it.

    Args:
        folder: where to write.
        effect: what the costly call does, after it was written down in the file `effects`.
        body: the script; it finds everything of `bot`.
    """
    inside = textwrap.indent(textwrap.dedent(effect).strip(), " " * 8)
    (folder / "bot.py").write_text(f"{EFFECT}{inside}\n\n{SNIPPET}", encoding="utf-8")
    main = f"from bot import *\nfrom holdfast import AlreadyProcessed, LeaseHeld\n{textwrap.dedent(body)}"
    (folder / "main.py").write_text(main, encoding="utf-8")


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of programs in `folder`: its store, a short lease, this checkout."""
    return {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "HOLDFAST_STORE": f"sqlite:///{folder}/ladder.db",
        "HOLDFAST_LEASE_SECONDS": str(LEASE_SECONDS),
    }


class Script:
    """A script under way: it is told lines, and prints lines."""

    def __init__(self, folder: Path, *command: str) -> None:
        """Start `main.py` in `folder`, or the command."""
        self.process = subprocess.Popen(
            [sys.executable, *(command or ("main.py",))],
            cwd=folder,
            env=environment(folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def hear(self) -> str:
        """Return the next line it prints; empty at its end."""
        return self.process.stdout.readline().strip()

    def tell(self, line: str = "") -> None:
        """Write a line to it."""
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def end(self) -> tuple[int, str]:
        """Wait for its end; return its exit code, and what it wrote to standard error."""
        _, errors = self.process.communicate()
        return self.process.returncode, errors

    def __enter__(self) -> Self:
        """Return the script."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it, when it has not ended, and close its pipes."""
        if self.process.returncode is None:
            self.process.kill()
        if not self.process.stdout.closed:
            self.process.communicate()


def effects(folder: Path) -> list[int]:
    """Return who began the costly call, in order, by process id."""
    file = folder / "effects"
    return [int(line) for line in file.read_text(encoding="ascii").split()] if file.exists() else []


def expiry(name: str) -> float | None:
    """Return when the lease of a ledger entry runs out, None when there is none, in the store of the settings."""
    connection = connect(default_settings())

    async def read() -> float | None:
        reading = connection.store._reading
        row = reading.execute("SELECT expires_at FROM ledger WHERE name = ?", (name,)).fetchone()
        return None if row is None else row[0]

    return connection.portal.call(read)
