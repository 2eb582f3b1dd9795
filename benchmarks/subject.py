"""A system, measured in a process and a folder of its own.

Owns: starting it, its limit, reading what it measured.
Must not know: any case.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.cases import DBOS, DBOS_AS_IT_COMES, Parameters
from benchmarks.rows import OURS, Sample

ROOT: Final = Path(__file__).resolve().parent.parent
PEERS_PYTHON: Final = "HOLDFAST_PEERS_PYTHON"
"""Variable that names the Python of the environment that peers are installed in."""
SECONDS_MAX: Final = 900
"""One process may measure for so long."""


class Measured(msgspec.Struct, frozen=True):
    """The last line that a measuring process prints."""

    samples: tuple[Sample, ...]


class MeasuringError(Exception):
    """A process ended without samples; the message has what it said."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A system and the command that measures it."""

    name: str
    command: tuple[str, ...]
    options: tuple[str, ...] = ()

    def measure(self, case: str, parameters: Parameters, base: Path) -> tuple[Sample, ...]:
        """Carry out a case in a fresh process and a fresh folder of `base`.

        Raises:
            MeasuringError: it failed.
        """
        with tempfile.TemporaryDirectory(dir=base, prefix=f"{case}-") as folder:
            given = msgspec.json.encode(parameters).decode()
            command = [*self.command, case, "--folder", folder, "--parameters", given, *self.options]
            done = _run(command, self.name)
        lines = done.stdout.splitlines()
        if done.returncode or not lines:
            raise MeasuringError(f"{self.name} ended with {done.returncode}:\n{done.stderr.strip()[-2000:]}")
        return msgspec.json.decode(lines[-1], type=Measured).samples


def _run(command: Sequence[str], name: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, in a session of its own, so that whatever it started ends with it, come what may."""
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            output, errors = process.communicate(timeout=SECONDS_MAX)
        except subprocess.TimeoutExpired:
            raise MeasuringError(f"{name} did not end within {SECONDS_MAX} s (SECONDS_MAX)") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def subjects() -> Sequence[Subject]:
    """Return the systems that can be measured here: the product, and its peers if they are installed."""
    found = [Subject(OURS, (sys.executable, "-m", "benchmarks.ours"))]
    python = os.environ.get(PEERS_PYTHON)
    if python:
        dbos = (str(ROOT / python) if os.sep in python else python, str(ROOT / "benchmarks/peers/dbos_embedded.py"))
        found += [
            Subject(DBOS, dbos, ("--journal", "wal")),
            Subject(DBOS_AS_IT_COMES, dbos, ("--journal", "delete")),
        ]
    return found
