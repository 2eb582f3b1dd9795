"""What a test left behind: tasks, threads, child processes, sockets, open files.

Owns: the fixture that fails such a test, and the words it uses.
Must not know: Holdfast. Whatever leaks, leaks into the interpreter or the operating system, and is looked for there.

Theory of operation
===================

The fixture is automatic and of function scope, so pytest sets it up before and tears it down after the fixtures a test
asks for. Fixtures of a wider scope exist before the first look and are not held against a test.

Things that were told to end may take a moment: a thread between its last statement and its end, a child between the
signal and its death. So when the first look finds something, the fixture looks again until GRACE_SECONDS are over. It
does not collect garbage first: what only the collector would close is a leak.

A test that failed is not also accused of leaking: its traceback keeps its locals alive.
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

GRACE_SECONDS = 2.0
LOOK_AGAIN_SECONDS = 0.01

DESCRIPTORS = Path("/proc/self/fd")  # Linux; elsewhere descriptors and children go unchecked
TASKS = Path("/proc/self/task")

FAILED = pytest.StashKey[bool]()


@dataclass(frozen=True, slots=True)
class Leak:
    """One thing that outlived its test. `identity` tells it from its like, also after a number was used again."""

    kind: str
    identity: object
    words: str

    def __hash__(self) -> int:
        """Hash what makes it the same thing, not how it looks at the moment."""
        return hash((self.kind, self.identity))

    def __eq__(self, other: object) -> bool:
        """Compare what makes it the same thing, not how it looks at the moment."""
        return isinstance(other, Leak) and (self.kind, self.identity) == (other.kind, other.identity)


def look() -> set[Leak]:
    """Return everything alive now that a test could have left behind."""
    return {*_tasks(), *_threads(), *_processes(), *_descriptors()}


def wait_settled(before: set[Leak]) -> list[Leak]:
    """Return what is alive now and was not `before`, after a grace for what is on its way out."""
    deadline = time.monotonic() + GRACE_SECONDS
    while (leaks := look() - before) and time.monotonic() < deadline:
        threading.Event().wait(LOOK_AGAIN_SECONDS)
    return sorted(leaks, key=lambda leak: (leak.kind, leak.words))


def report(leaks: list[Leak]) -> str:
    """Say what leaked, one line each."""
    lines = "\n".join(f"  {leak.kind:8} {leak.words}" for leak in leaks)
    return f"this test left behind:\n{lines}\nClose it in the test, or in the fixture that made it."


def _tasks() -> Iterator[Leak]:
    # all_tasks() answers for one loop only; an abandoned task is usually on a loop nobody has any more. Both names are
    # what all_tasks() itself reads: the first in 3.11, the others from 3.12 on.
    for registry in ("_all_tasks", "_scheduled_tasks", "_eager_tasks"):
        for task in list(getattr(asyncio.tasks, registry, ())):
            if not task.done():
                yield Leak("task", task, repr(task))


def _threads() -> Iterator[Leak]:
    for thread in threading.enumerate():
        yield Leak("thread", thread, f"{thread.name!r}{' (daemon)' if thread.daemon else ''}")


def _processes() -> Iterator[Leak]:
    for thread in _entries(TASKS):
        try:
            children = (TASKS / thread / "children").read_text(encoding="ascii").split()
        except OSError:  # the thread ended meanwhile
            continue
        for child in children:
            try:
                command = Path("/proc", child, "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                started = Path("/proc", child, "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
            except OSError:
                continue
            yield Leak(
                "process", (child, started), f"{child}: {command.strip() or '(ended, but nobody waited for it)'}"
            )


def _descriptors() -> Iterator[Leak]:
    for entry in _entries(DESCRIPTORS):
        descriptor = int(entry)
        try:
            target = str((DESCRIPTORS / entry).readlink())
            mode = os.fstat(descriptor).st_mode
        except OSError:  # the one that listed the folder, or one closed meanwhile
            continue
        if stat.S_ISSOCK(mode):
            yield Leak("socket", (descriptor, target), f"descriptor {descriptor}: {_address(descriptor)}")
        elif stat.S_ISREG(mode):
            yield Leak("file", (descriptor, target), f"descriptor {descriptor}: {target}")


def _address(descriptor: int) -> str:
    with socket.socket(fileno=os.dup(descriptor)) as copy:
        return (
            f"{copy.family.name} {copy.type.name} {copy.getsockname() or '(unnamed: a pair, perhaps of an open loop)'}"
        )


def _entries(folder: Path) -> list[str]:
    return os.listdir(folder) if folder.is_dir() else []  # noqa: PTH208  # names are all it takes


@pytest.fixture(autouse=True)
def leaves_nothing_behind(request: pytest.FixtureRequest) -> Generator[None]:
    """Fail a test that leaves a task, a thread, a child process, a socket or an open file behind."""
    before = look()
    yield
    if request.node.stash.get(FAILED, False):
        return
    leaks = wait_settled(before)
    if leaks:
        pytest.fail(report(leaks), pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Generator[None, Any, Any]:
    """Note whether a test failed, for the fixture above."""
    outcome = yield
    if call.excinfo is not None and not outcome.skipped:
        item.stash[FAILED] = True
    return outcome
