"""Ledger and heartbeat_monitor, as one process uses them."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import BaseModel

from holdfast import AlreadyProcessed, LeaseHeld, LeaseLost, Ledger, heartbeat_monitor, task
from holdfast.app import close_connections
from holdfast.app.connection import connect
from holdfast.app.default_store import default_settings, serve
from holdfast.app.settings import load_settings
from holdfast.errors import EncodeError, NondeterminismError
from holdfast.ports.operations import OpenEntry, RenewEntry
from tests.unit.authoring.recorder import inside_workflow
from tests.unit.worker.rig import on_loop, wait_until

may_fork = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
"""Python 3.12 and later warn whoever forks beside threads, and this is about those who do."""


class Report(BaseModel):
    """A result with types."""

    title: str
    pages: list[int]


@dataclasses.dataclass
class Line:
    """A result that is a dataclass."""

    text: str


@pytest.fixture(autouse=True)
def _own_store(tmp_path, monkeypatch):
    """Let the settings name a fresh store, and close it afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOLDFAST_STORE", f"sqlite:///{tmp_path}/scripts.db")
    yield
    close_connections()


def test_what_is_done_stays_done():
    """A result is there for everybody, and the first one stands."""
    db = Ledger()
    assert not db.is_already_processed("t")
    assert db.result("t") is None
    db.mark_done("t", {"a": [1, 2]})
    assert db.is_already_processed("t")
    assert Ledger().result("t") == {"a": [1, 2]}
    with pytest.raises(AlreadyProcessed):
        db.mark_done("t", "another")
    assert db.result("t") == {"a": [1, 2]}


def test_a_block_leases_its_id_and_hands_out_the_token():
    """Nobody else gets in; the work is done in the block, and afterwards it is done."""
    db = Ledger()
    with heartbeat_monitor("t") as held:
        assert held.name == "t"
        assert held.token > 0
        with pytest.raises(LeaseHeld), heartbeat_monitor("t"):
            raise AssertionError("never entered")
        with heartbeat_monitor("other") as other:
            assert other.token > held.token
            db.mark_done("other")
        db.mark_done("t", 1)
        with pytest.raises(AlreadyProcessed):
            db.mark_done("t", 2)
    with pytest.raises(AlreadyProcessed), heartbeat_monitor("t"):
        raise AssertionError("never entered")


def test_leaving_without_a_result_gives_the_lease_back():
    """Also when the block fails: the next one may try at once."""
    with pytest.raises(ValueError, match="inside"), heartbeat_monitor("t"):
        raise ValueError("inside")
    with heartbeat_monitor("t"):
        pass
    with heartbeat_monitor("t"):
        Ledger().mark_done("t")


@pytest.mark.parametrize(
    ("result", "read"),
    [
        (None, None),
        ("text", "text"),
        (Report(title="r", pages=[1, 2]), {"title": "r", "pages": [1, 2]}),
        (Line("x"), {"text": "x"}),
        ([Line("x"), {"r": Report(title="r", pages=[])}], [{"text": "x"}, {"r": {"title": "r", "pages": []}}]),
    ],
)
def test_results_are_json_of_whatever_has_a_json_form(result, read):
    """Models and dataclasses included."""
    db = Ledger()
    db.mark_done("t", result)
    assert db.result("t") == read


@pytest.mark.parametrize("result", [object(), float("nan"), {"a": {1: object()}}, "\ud800", lambda: 0])
def test_what_has_no_json_form_is_refused_and_nothing_is_written(result):
    """The entry stays open, and the lease stays held, so that a better result can follow."""
    db = Ledger()
    with heartbeat_monitor("t"):
        with pytest.raises(EncodeError):
            db.mark_done("t", result)
        assert not db.is_already_processed("t")
        db.mark_done("t", "better")
    assert db.result("t") == "better"


def test_ids_are_text_numbers_and_uuids():
    """What scripts use as ids works; what cannot be one is refused before anything is written."""
    db, number = Ledger(), uuid.uuid4()
    db.mark_done(17)
    db.mark_done(number)
    assert db.is_already_processed("17")
    assert db.is_already_processed(str(number))
    for wrong, error in [(None, TypeError), (True, TypeError), ("", ValueError), ("x" * 1_001, ValueError)]:
        with pytest.raises(error):
            db.is_already_processed(wrong)
    with pytest.raises(EncodeError):
        heartbeat_monitor("\ud800")


def test_a_lost_lease_is_found_by_the_code_that_had_it():
    """Two blocks of one process have had the id one after the other: the older one's result is refused."""
    db = Ledger()
    with heartbeat_monitor("t"):
        lose("t")
        taken = threading.Thread(target=finish_in_a_block, args=("t",))
        taken.start()
        taken.join()
        with pytest.raises(LeaseLost, match="was lost"):
            db.mark_done("t", "late")
    assert db.result("t") == "newest"


def lose(name):
    """Have the lease of an entry end now, as if its holder had been silent."""
    connection = connect(default_settings())

    async def end():
        entry = next(iter(connection._renewals._held.values()))
        connection._renewals.drop(entry)
        await connection.store.write([RenewEntry(name, entry.token, -1.0)])

    connection.portal.call(end)


def finish_in_a_block(name):
    """Lease an entry, and finish it."""
    with heartbeat_monitor(name):
        Ledger().mark_done(name, "newest")


def test_threads_share_the_process_and_not_its_ids():
    """Many threads on many ids: each id is done once, by whoever had it."""
    db = Ledger()
    done = []

    def work(number):
        try:
            with heartbeat_monitor(f"t{number % 8}"):
                db.mark_done(f"t{number % 8}", number)
                done.append(number % 8)
        except (AlreadyProcessed, LeaseHeld):
            pass

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(64)))
    assert sorted(done) == list(range(8))


def test_a_thread_started_in_a_block_finishes_it():
    """The lease belongs to the process: helpers of the block may hand in its result."""
    with heartbeat_monitor("t"):
        helper = threading.Thread(target=Ledger().mark_done, args=("t", "helped"))
        helper.start()
        helper.join()
    assert Ledger().result("t") == "helped"


@on_loop
async def test_asynchronous_code_works_the_same():
    """Tasks of one loop hold different ids at once, and are refused the same one."""
    db = Ledger()
    inside = asyncio.Event()

    async def hold(name, leave):
        async with heartbeat_monitor(name) as held:
            assert held.token
            inside.set()
            await leave.wait()
            db.mark_done(name, name)

    leave = asyncio.Event()
    holding = asyncio.create_task(hold("a", leave))
    await inside.wait()
    with pytest.raises(LeaseHeld):
        async with heartbeat_monitor("a"):
            raise AssertionError("never entered")
    await hold_at_once("b", db)
    leave.set()
    await holding
    assert (db.result("a"), db.result("b")) == ("a", "b")


async def hold_at_once(name, db):
    """Do the work of a block."""
    async with heartbeat_monitor(name):
        db.mark_done(name, name)


@on_loop
async def test_cancelled_asynchronous_code_gives_its_lease_back():
    """A block that is cancelled lets the next one in."""
    inside = asyncio.Event()

    async def hold():
        async with heartbeat_monitor("a"):
            inside.set()
            await asyncio.Event().wait()

    holding = asyncio.create_task(hold())
    await inside.wait()
    holding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await holding
    async with heartbeat_monitor("a"):
        pass


def exit_code(child):
    """Wait for a child's end, and return how it ended; one that hangs is killed."""
    try:
        ended = asyncio.run(wait_ended(child))
    except TimeoutError:
        os.kill(child, signal.SIGKILL)
        _, ended = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(ended)


async def wait_ended(child):
    """Wait until a child has ended; return its status."""
    ended = []
    await wait_until(lambda: ended or [ended.append(status) for pid, status in [os.waitpid(child, os.WNOHANG)] if pid])
    return ended[0]


@may_fork
def test_a_forked_child_has_a_connection_of_its_own():
    """A child does not end the block it was forked in, nor touch its parent's connection."""
    db = Ledger()
    with heartbeat_monitor("t"):
        before = connect(default_settings())
        child = os.fork()
        if child == 0:
            code = 1
            try:
                with heartbeat_monitor("own"):
                    Ledger().mark_done("own", os.getpid())
                code = 0 if connect(default_settings()) is not before and not db.is_already_processed("t") else 2
                close_connections()
            finally:
                os._exit(code)
        assert exit_code(child) == 0
        assert db.result("own") == child
        db.mark_done("t", "by the parent")
    assert db.result("t") == "by the parent"


@may_fork
def test_a_forked_child_may_finish_the_block_it_was_forked_in():
    """Its result counts, because the lease does; leaving the block in the child gives nothing back."""
    db = Ledger()
    with heartbeat_monitor("t"):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                db.mark_done("t", "by the child")
                code = 0
                close_connections()
            finally:
                os._exit(code)
        assert exit_code(child) == 0
    assert db.result("t") == "by the child"


@may_fork
def test_a_forked_child_that_leaves_the_block_gives_nothing_back():
    """The lease is its parent's, who goes on."""
    db = Ledger()
    with heartbeat_monitor("t") as held:
        block = heartbeat_monitor("u")
        block.__enter__()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                block.__exit__(None, None, None)
                close_connections()
                code = 0
            finally:
                os._exit(code)
        assert exit_code(child) == 0
        with pytest.raises(LeaseHeld), heartbeat_monitor("u"):
            raise AssertionError("never entered")
        block.__exit__(None, None, None)
        with heartbeat_monitor("u") as again:
            assert again.token > held.token
        db.mark_done("t")


def test_the_store_stays_the_same_when_the_script_goes_elsewhere(tmp_path, monkeypatch):
    """A relative path means the folder in which it was first used."""
    monkeypatch.delenv("HOLDFAST_STORE")
    db = Ledger()
    db.mark_done("t")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with heartbeat_monitor("u"):
        db.mark_done("u")
    assert Ledger().is_already_processed("t")
    assert [each.name for each in tmp_path.glob("*/*.db")] == []


def test_a_ledger_may_name_its_store(tmp_path):
    """Another store has other entries; a block is told which ledger it belongs to."""
    other = Ledger(store=f"sqlite:///{tmp_path}/other.db")
    other.mark_done("t")
    assert not Ledger().is_already_processed("t")
    with heartbeat_monitor("u", ledger=other):
        other.mark_done("u", 1)
    assert (other.result("u"), Ledger().result("u")) == (1, None)
    other.close()
    assert other.is_already_processed("t"), "closed, it opens again"


def test_code_of_a_stack_means_the_stack_s_store(tmp_path):
    """While this process serves a store, code that names none means that one."""
    db = Ledger()
    db.mark_done("t")
    end = serve(load_settings(store=f"sqlite:///{tmp_path}/served.db"))
    try:
        assert not db.is_already_processed("t")
        db.mark_done("u")
    finally:
        end()
    assert db.is_already_processed("t")
    assert not db.is_already_processed("u")
    assert Path(tmp_path, "served.db").exists()


def test_in_a_task_a_held_id_is_waited_for():
    """A worker that was killed looks alive for a while, so task code asks again before it gives up."""
    connection = connect(default_settings())
    (token,) = connection.portal.call(connection.store.write, [OpenEntry("t", "killed", 0.7)])

    @task
    def work():
        with heartbeat_monitor("t") as held:
            return held.token

    with pytest.raises(LeaseHeld), heartbeat_monitor("t"):
        raise AssertionError("never entered")
    assert work.local() > token


def test_workflow_code_is_told_to_use_a_task():
    """The ledger's answers would differ in a replay."""
    with inside_workflow():
        for call in (
            lambda: Ledger().is_already_processed("t"),
            lambda: Ledger().mark_done("t"),
            lambda: Ledger().result("t"),
            heartbeat_monitor("t").__enter__,
        ):
            with pytest.raises(NondeterminismError, match="task"):
                call()
