"""Members whose process is gone are known at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from holdfast.stores.sqlite.presence import Presence, is_gone


def test_a_member_that_is_there_is_not_gone_until_it_lets_go(tmp_path: Path) -> None:
    """The lock of a living process says that it lives; one that was let go says that it died, once."""
    presence = Presence(tmp_path)
    presence.announce(7)
    assert not is_gone(tmp_path, 7)
    presence.close()
    assert is_gone(tmp_path, 7)
    assert not is_gone(tmp_path, 7)  # its file is taken away: nobody asks again


def test_a_member_that_left_or_never_came_is_not_called_gone(tmp_path: Path) -> None:
    """Without a file there is no proof."""
    presence = Presence(tmp_path / "members")
    assert not is_gone(tmp_path / "members", 1)
    presence.announce(1)
    presence.withdraw(1)
    assert not is_gone(tmp_path / "members", 1)


def test_a_killed_process_is_gone(tmp_path: Path) -> None:
    """The kernel gives the lock back when a process is killed."""
    code = (
        "import sys, pathlib; from holdfast.stores.sqlite.presence import Presence\n"
        "presence = Presence(pathlib.Path(sys.argv[1])); presence.announce(3); print('there', flush=True)\n"
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"there\n"
        assert not is_gone(tmp_path, 3)
        process.kill()
        process.wait()
    assert is_gone(tmp_path, 3)
