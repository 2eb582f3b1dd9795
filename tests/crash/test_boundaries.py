"""At each moment at which a commit waits for the disk, a kill or a failure costs nothing; and each commit does wait."""

from __future__ import annotations

import pytest

from tests.crash.boundaries import Seen, read_trace, strike, trace, unsynced
from tests.programs import require_program


@pytest.fixture
def strace():
    """Give the path of strace."""
    return require_program("strace", "apt-get install strace")


def order(folder, strace, synchronous):
    """Return the steps of a run that began before the step ahead of them was durable."""
    ended = trace(folder, strace, "-e", "trace=openat,write,fdatasync,fsync", synchronous=synchronous)
    assert ended.returncode == 0, ended.stderr.decode()
    return unsynced(read_trace((folder / "trace").read_text(encoding="utf-8", errors="replace").splitlines()))


def test_a_step_is_durable_before_the_next_begins(tmp_path, strace):
    """Between the effects of two steps the write-ahead log is synchronized, as the system saw it."""
    assert order(tmp_path, strace, "FULL") == []


def test_steps_that_are_not_durable_are_seen(tmp_path, strace):
    """The check above sees a store that does not wait for the disk."""
    assert len(order(tmp_path, strace, "NORMAL")) > 10


@pytest.mark.parametrize("number", [2, 5, 8, 16, 26])
def test_a_kill_in_a_commit_costs_nothing(tmp_path, strace, number):
    """Killed while it waits for the disk, a run goes on to the right result, each effect once."""
    assert strike(tmp_path / "run", strace, number, "signal=KILL") == (True, [])


@pytest.mark.parametrize("number", [7, 17])
def test_a_disk_that_fails_once_costs_nothing(tmp_path, strace, number):
    """When the disk fails a commit, nobody goes on from it, and the run still ends as it should."""
    assert strike(tmp_path / "run", strace, number, "error=EIO") == (True, [])


def test_traces_are_read():
    """Only the write-ahead log's synchronization counts, and only the log of requests."""
    lines = [
        'openat(AT_FDCWD, "/x/store.db", O_RDWR, 0644) = 9',
        'openat(AT_FDCWD, "/x/store.db-wal", O_RDWR, 0644) = 11',
        "fdatasync(9) = 0",
        "fdatasync(11)                           = 0",
        'write(12, "[\\"twenty/draw#1\\", \\"0:ab\\", 1, 0, 7, 1.0, false]\\n", 40) = 40',
        'write(12, "[\\"twenty/apply#1\\", \\"0:ab\\"]", 28) = 28',
        'openat(AT_FDCWD, "/x/other", O_RDWR, 0644) = 11',
        "fdatasync(11) = 0",
    ]
    assert read_trace(lines) == [Seen("sync"), Seen("request", "twenty/draw#1")]
