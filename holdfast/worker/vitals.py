"""How a process is, seen from outside.

Owns: reading a process's state and its use of the processor; what they say about it.
Must not know: leases, stores.

A process whose loop turns is alive. One whose loop stands still is *blocked*, and still at work if it uses the
processor: a long computation must not cost it its lease. One that does neither is hung - it may sleep for ever - and
one that is stopped cannot know what happens meanwhile; both have to let go of their work.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BUSY_SHARE: Final = 0.02
"""A process that uses less of one processor than this is not at work; a watchdog thread alone uses 0.0001."""

_TICK_SECONDS: Final = 1.0 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at a process."""

    at: float
    """Monotonic seconds."""
    state: str
    """As in /proc/PID/stat: R, S, D run; T, t are stopped; Z, X are dead. Empty where nobody can tell."""
    processor_seconds: float
    height: int
    """The loop's watermark."""


def look(pid: int, height: int) -> Sample:
    """Return how the process `pid` is, whose watermark stands at `height`."""
    state, seconds = "", 0.0
    if sys.platform == "linux":
        try:
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            state, seconds = fields[0], (int(fields[11]) + int(fields[12])) * _TICK_SECONDS
        except (OSError, IndexError, ValueError):
            state = "X"
    return Sample(time.monotonic(), state, seconds, height)


def judge(before: Sample, now: Sample, where: Callable[[], str]) -> str | None:
    """Return `alive`, `blocked at PLACE`, or None for a process that must lose its lease.

    Args:
        before: an earlier look.
        now: the newest look.
        where: says where the loop hangs, empty when nobody knows.
    """
    if now.state in {"T", "t", "Z", "X", "x"}:
        return None
    if now.height != before.height:
        return "alive"
    used = now.processor_seconds - before.processor_seconds
    if now.state and used < max(_TICK_SECONDS, BUSY_SHARE * (now.at - before.at)):
        return None
    return f"blocked at {where() or 'an unknown place'}"
