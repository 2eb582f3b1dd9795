"""Signals to processes that somebody waits for.

Owns: sending one to a process that may be ending.
Must not know: why.
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress


def send(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Send a signal to a process that may have ended.

    `Process.send_signal` looks first whether it has, and if so takes its exit status from the loop, which then reports
    255 to whoever waits.
    """
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)
