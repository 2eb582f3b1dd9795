"""The machine the numbers are from.

Owns: what describes it, and how long its disk takes to keep its word.
Must not know: what is measured on it.
"""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.rows import percentile

PAGE: Final = b"\xa5" * 4096
SYNCS: Final = 300
"""How many appends are timed."""


class Machine(msgspec.Struct, frozen=True):
    """What one has to know to read the numbers."""

    cpu: str
    cores: int
    """Those this process may use."""
    load: float
    """Processes that wanted to run over the minute before: more than none means that something else was running."""
    memory_gib: float
    kernel: str
    python: str
    file_system: str
    fdatasync_p50_us: float
    """A durable append of 4 KiB, in the folder that everything is measured in, microseconds."""
    fdatasync_p99_us: float

    def lines(self) -> list[str]:
        """Return the description for people."""
        p50, p99 = self.fdatasync_p50_us, self.fdatasync_p99_us
        return [
            f"{self.cores} cores, {self.cpu}, {self.memory_gib:g} GiB, load {self.load:g}",
            f"Python {self.python}, {self.kernel}",
            f"{self.file_system}; append and sync of 4 KiB: {p50} us, p99 {p99} us",
        ]


def describe_machine(folder: Path, syncs: int = SYNCS) -> Machine:
    """Describe this machine, with the disk that `folder` is on."""
    seconds = time_syncs(folder, syncs)
    return Machine(
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)),
        load=round(os.getloadavg()[0], 2),
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        kernel=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        file_system=file_system(folder),
        fdatasync_p50_us=round(percentile(seconds, 50) * 1e6, 1),
        fdatasync_p99_us=round(percentile(seconds, 99) * 1e6, 1),
    )


def time_syncs(folder: Path, count: int) -> list[float]:
    """Return how long each of `count` durable appends of 4 KiB took, in seconds."""
    path = folder / "syncs"
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    seconds = []
    try:
        for _ in range(count):
            began = time.perf_counter()
            os.write(file, PAGE)
            os.fdatasync(file)
            seconds.append(time.perf_counter() - began)
    finally:
        os.close(file)
        path.unlink()
    return seconds


def file_system(folder: Path) -> str:
    """Return the type and the mount point of the file system that `folder` is on."""
    inside = folder.resolve()
    found, kind = Path("/"), "unknown file system"
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, mount, type_, *_ = line.split(" ")
        point = Path(mount.encode().decode("unicode_escape"))
        # A later mount hides an earlier one on the same point.
        if inside.is_relative_to(point) and len(point.parts) >= len(found.parts):
            found, kind = point, type_
    return f"{kind} on {found}"


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
