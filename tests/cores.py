"""How many processes of tests this machine has room for: `make test` runs the suite in that many.

Owns: counting.
Must not know: what is tested, how tests are handed out.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

PROCESSES_MAX = 8
"""Beyond this, collecting everything in one process more costs what it saves."""
QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""What a container may use of the machine's cores, in cgroups version 2."""


def count_cores(quota: Path = QUOTA) -> int:
    """Return how many cores this process may use, at least 1: a container's share of them, where it has one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        share, period = quota.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return cores
    return cores if share == "max" else max(1, min(cores, round(int(share) / int(period))))


@pytest.hookimpl(optionalhook=True)  # without xdist nobody asks
def pytest_xdist_auto_num_workers() -> int:
    """Answer `-n auto`. On one core a second process gains nothing, and the tests stay in this one."""
    processes = min(count_cores(), PROCESSES_MAX)
    return processes if processes > 1 else 0
