"""Locks of tasks and scripts: leased, first come, first served, lost when broken."""

from __future__ import annotations

import asyncio
import threading

import pytest

from holdfast import LockLost, lock, semaphore, task
from holdfast.app import close_connections
from holdfast.app.connection import connect
from holdfast.app.default_store import default_settings
from holdfast.errors import DefinitionError
from holdfast.ports.operations import BreakLock
from tests.unit.worker.rig import on_loop, pause


@pytest.fixture(autouse=True)
def _own_store(tmp_path, monkeypatch):
    """Let the settings name a fresh store, and close it afterwards."""
    monkeypatch.setenv("HOLDFAST_STORE", f"sqlite:///{tmp_path}/scripts.db")
    yield
    close_connections()


def line():
    """Return everybody at any lock, holders first."""
    connection = connect(default_settings())
    return connection.portal.call(connection.store.locks)


def wait_for_line(count):
    """Wait until so many are in line."""
    while len(line()) != count:
        pass


def test_a_script_holds_a_lock_with_a_rising_token():
    """Each block has a higher token than the one before, and leaves nothing behind."""
    with lock("account:1") as first:
        assert [(each.name, each.held, each.token) for each in line()] == [("account:1", True, first.token)]
        assert line()[0].expires_at is not None, "leased"
    with lock("account:1") as second:
        assert second.token > first.token
    assert line() == []


def test_threads_wait_for_each_other():
    """A counter that is read and written under the lock loses nothing; one object serves all."""
    shared, seen = lock("l"), [0]

    def work():
        for _ in range(3):
            with shared:
                before = seen[0]
                line()
                seen[0] = before + 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert seen == [12]
    assert line() == []


@on_loop
async def test_asynchronous_code_waits_without_blocking_its_loop():
    """The second comes in when the first has left, in the order of their coming."""
    order, leave = [], asyncio.Event()

    async def work(name):
        async with semaphore("s", 1) as held:
            order.append((name, held.token))
            if name == "a":
                await leave.wait()

    first = asyncio.create_task(work("a"))
    while not order:
        await pause()
    second = asyncio.create_task(work("b"))
    while len(line()) != 2:
        await pause()
    assert [name for name, _ in order] == ["a"]
    leave.set()
    await asyncio.gather(first, second)
    assert [name for name, _ in order] == ["a", "b"]
    assert order[0][1] < order[1][1]


@on_loop
async def test_cancelled_while_it_waits_it_leaves_the_line():
    """Nobody waits for a place that nobody wants."""
    async with lock("l"):
        waiting = asyncio.create_task(lock("l").__aenter__())
        while len(line()) != 2:
            await pause()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        while len(line()) != 1:
            await pause()


def test_a_broken_lock_is_told_on_leaving():
    """The old holder sees LockLost; an error of its own comes first."""
    connection = connect(default_settings())
    with pytest.raises(LockLost) as lost, lock("l") as held:
        connection.portal.call(connection.store.write, [BreakLock("l")])
    assert lost.value.token == held.token

    def fail():
        with lock("l"):
            connection.portal.call(connection.store.write, [BreakLock("l")])
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        fail()


def test_tasks_take_locks_too():
    """A synchronous task blocks its thread, and the line shows which task holds."""

    @task
    def work():
        with lock("l") as held:
            return held.token, line()[0].holder

    token, holder = work.local()
    assert token > 0
    assert holder.startswith("local/work#1 on ")


@on_loop
async def test_blocking_a_loop_is_refused():
    """`with` in asynchronous code would keep the very loop that has to release the lock."""
    with pytest.raises(DefinitionError, match="async with"), lock("l"):
        raise AssertionError("never entered")


def test_a_waiting_thread_is_let_in():
    """A thread in line gets the lock as soon as it is free."""
    got = []

    def work():
        with lock("l") as held:
            got.append(held.token)

    with lock("l") as first:
        thread = threading.Thread(target=work)
        thread.start()
        wait_for_line(2)
        assert got == []
    thread.join()
    assert got[0] > first.token


def test_a_thread_that_waits_for_ever_does_not_keep_the_connection_open():
    """Closed at the end of the program, it leaves the line, and its thread hears of it."""
    heard = []

    def work():
        try:
            with lock("l"):
                raise AssertionError("never entered")
        except BaseException as error:  # noqa: BLE001 - whatever it is
            heard.append(type(error).__name__)

    with lock("l"):
        thread = threading.Thread(target=work)
        thread.start()
        wait_for_line(2)
        close_connections()
        thread.join()
        assert heard == ["CancelledError"]
        wait_for_line(1)
