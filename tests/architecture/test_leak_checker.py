"""The leak checker is shown to catch one planted leak of each kind, and to leave clean tests alone."""

from __future__ import annotations

import pytest

CONFTEST = """
from tests import leaks
from tests.leaks import leaves_nothing_behind, pytest_runtest_makereport

leaks.GRACE_SECONDS = 0.5
"""

PLANTED = """
import asyncio
import socket
import subprocess
import sys
import tempfile
import threading

import pytest

KEPT = []  # what a test leaks must outlive it


def test_task():
    async def forgotten():
        await asyncio.Event().wait()

    async def main():
        KEPT.append(asyncio.ensure_future(forgotten()))
        await asyncio.sleep(0)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    loop.close()


def test_thread():
    threading.Thread(target=threading.Event().wait, name="planted-thread", daemon=True).start()


def test_process():
    KEPT.append(subprocess.Popen([sys.executable, "-c", "input()", "planted-process"], stdin=subprocess.PIPE))


def test_zombie():
    child = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    child.stdout.read()
    KEPT.append(child)


def test_socket():
    KEPT.append(socket.create_server(("127.0.0.1", 0)))


def test_loop():
    KEPT.append(asyncio.new_event_loop())


def test_file(tmp_path):
    KEPT.append((tmp_path / "planted.db").open("w"))


@pytest.fixture
def careless():
    yield
    KEPT.append(tempfile.TemporaryFile())


def test_fixture(careless):
    pass
"""

CLEAN = """
import asyncio
import subprocess
import sys
import threading

import pytest

GATE = threading.Event()


@pytest.fixture(scope="session")
def shared():
    thread = threading.Thread(target=GATE.wait)
    thread.start()
    yield
    GATE.set()
    thread.join()


def test_uses_a_shared_thread(shared):
    pass


def test_closes_what_it_opens(tmp_path):
    async def main():
        server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
        async with server:
            await asyncio.to_thread(int)

    asyncio.run(main())
    subprocess.run([sys.executable, "-c", ""], check=True)
    (tmp_path / "file").write_text("")


def test_ends_a_moment_later():
    gate = threading.Event()
    threading.Timer(0.02, gate.set).start()
"""

FAILING = """
def test_fails_while_holding(tmp_path):
    held = (tmp_path / "held").open("w")
    assert held is None
"""


@pytest.fixture
def inner(pytester: pytest.Pytester, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Return a project of its own that uses our leak checker, run in a process of its own."""
    monkeypatch.setenv("PYTHONPATH", str(pytestconfig.rootpath))
    pytester.makeconftest(CONFTEST)
    return pytester


def test_each_planted_leak_fails_its_test(inner: pytest.Pytester) -> None:
    """A leak of any kind fails the test that made it, by a message that names what leaked."""
    inner.makepyfile(PLANTED)
    result = inner.runpytest_subprocess("-p", "no:unraisableexception")

    result.assert_outcomes(passed=8, errors=8)
    result.stdout.fnmatch_lines_random(
        [
            "*task *forgotten*",
            "*thread *'planted-thread' (daemon)",
            "*process *planted-process",
            "*process *nobody waited for it*",
            "*socket *AF_INET SOCK_STREAM ('127.0.0.1', *)",
            "*socket *perhaps of an open loop*",
            "*file *planted.db",
            "*file */tmp*(deleted)",
        ]
    )


def test_clean_tests_pass(inner: pytest.Pytester) -> None:
    """Closing what one opens is enough; shared fixtures and things about to end are not leaks."""
    inner.makepyfile(CLEAN)
    inner.runpytest_subprocess().assert_outcomes(passed=3)


def test_a_failed_test_is_not_accused_twice(inner: pytest.Pytester) -> None:
    """A failure holds its locals, so only the failure is reported."""
    inner.makepyfile(FAILING)
    inner.runpytest_subprocess("-p", "no:unraisableexception").assert_outcomes(failed=1)
