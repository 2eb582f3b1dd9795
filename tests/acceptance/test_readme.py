"""README, tutorial and how-to pages, followed by somebody who types what they say."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.acceptance.walkthrough import WalkError, section, walk
from tests.programs import require_program

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def port() -> int:
    """Return a port that is free."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def test_readme_first_workflow(tmp_path: Path, port: int) -> None:
    """The README's first workflow dies, goes on where it was, and is done, as its output says."""
    text = section((ROOT / "README.md").read_text(encoding="utf-8"), "## A first workflow")
    assert walk(text, tmp_path, port) == 3


def test_tutorial(tmp_path: Path, port: int) -> None:
    """The tutorial's commands print what it shows, from an empty folder to the last line."""
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    assert walk(text, tmp_path, port) >= 10


def test_tutorial_replay(tmp_path: Path, port: int) -> None:
    """A failure becomes a test that is red, and green after the fix, by the commands of the page."""
    text = (ROOT / "docs" / "tutorial-replay.md").read_text(encoding="utf-8")
    assert walk(text, tmp_path, port) >= 5


def test_long_tasks(tmp_path: Path, port: int) -> None:
    """The script with tasks in child processes prints what the page shows."""
    text = (ROOT / "docs" / "how-to" / "long-tasks.md").read_text(encoding="utf-8")
    assert walk(text, tmp_path, port) == 1


def test_webhooks(tmp_path: Path, port: int) -> None:
    """A push, signed with openssl and sent with curl, starts a workflow once; a forged one is refused, and noted."""
    require_program("curl", "apt-get install curl")
    require_program("openssl", "apt-get install openssl")
    text = (ROOT / "docs" / "how-to" / "webhooks.md").read_text(encoding="utf-8")
    assert walk(text, tmp_path, port) == 5


@pytest.mark.parametrize(
    ("page", "is_true"),
    [
        ("```sh\necho one; echo two\n```\n```text\none\ntwo\n```\n", True),
        ("```sh\necho one; echo two\n```\n```text\none\n```\n", False),
        ("```sh\necho one; echo two; echo three\n```\n```text\n…\nt…e\n```\n", True),
        ("```sh\necho one\n```\n```text\none\n…\n```\n", True),
        ("```sh\necho one\n```\n```text\nOne\n```\n", False),
        ("```sh no-run\nexit 1\n```\n```text\nnever\n```\n", True),
        ("```sh\ncd / && name=kept\n```\n```sh\necho $name $PWD\n```\n```text\nkept /\n```\n", True),
        ("<!-- file: hi.py -->\n```python\nprint(5)\n```\n```sh\npython hi.py\n```\n```text\n5\n```\n", True),
        ("```sh\nexit 3\n```\n", False),
    ],
)
def test_a_page_that_is_not_true_is_caught(page: str, is_true: bool, tmp_path: Path, port: int) -> None:
    """Output that differs, is missing or never comes fails the walk; an ellipsis stands for what differs each time."""
    if is_true:
        walk(page, tmp_path, port)
        return
    with pytest.raises(WalkError):
        walk(page, tmp_path, port)
