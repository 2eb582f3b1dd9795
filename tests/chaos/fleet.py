"""The processes of a fleet, as the campaign starts, stops, freezes and kills them.

Owns: their command lines, their output, signals to them.
Must not know: why.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from holdfast.worker.tether import tethered

ROOT: Final = Path(__file__).resolve().parents[2]
END_SECONDS: Final = 60.0


class Member:
    """One process of the fleet. It runs from the beginning, and again after each death."""

    def __init__(self, name: str, arguments: list[str], environment: Mapping[str, str], folder: Path) -> None:
        """Start `holdfast ARGUMENTS`; what it says goes to a file in `folder`."""
        self.name = name
        self._command = [sys.executable, "-m", "holdfast", *arguments]
        self._environment = {**os.environ, **environment}
        self.output = folder / f"{name}.log"
        self._process = self._start()

    def kill(self) -> None:
        """Kill it, and start it again."""
        self._process.kill()
        self._process.wait()
        self._process = self._start()

    def freeze(self) -> None:
        """Stop it where it is."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def revive(self) -> bool:
        """Start it again if it has ended by itself; return whether it had."""
        if self._process.poll() is None:
            return False
        self._process = self._start()
        return True

    def end(self) -> int:
        """Ask it to end; return its exit status."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
        try:
            return self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        with self.output.open("ab") as output:
            return subprocess.Popen(
                tethered(self._command),
                env=self._environment,
                cwd=ROOT,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
            )
