"""The script ladder: one plain function, made safe, then handed over, then a task, then part of a workflow."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from textwrap import dedent

import pytest

from holdfast import Client, Ledger, heartbeat_monitor
from holdfast.app import close_connections
from holdfast.errors import LeaseHeld
from holdfast.history import TaskCompleted
from tests.acceptance.ladder import LEASE_SECONDS, Script, effects, environment, expiry, write_script
from tests.pace import stretched
from tests.unit.worker.rig import on_loop, wait_until

WAIT_FOR_A_LINE = """
    print("inside", flush=True)
    sys.stdin.readline()
    return {"by": os.getpid()}
"""
ONCE = """
    process_task_with_retry("t1", {"a": 1})
    print(db.result("t1"), flush=True)
"""


@pytest.fixture(autouse=True)
def _store_of_the_scripts(tmp_path, monkeypatch):
    """Let this process mean the scripts' store too, and close it afterwards."""
    monkeypatch.setenv("HOLDFAST_STORE", environment(tmp_path)["HOLDFAST_STORE"])
    yield
    close_connections()


def run(folder, *command):
    """Run a program of the folder to its end; return what it printed."""
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment(folder), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def keepers_of(pid):
    """Return the processes that renew the leases of a process."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"holdfast.app.keeper" in command and command[-2] == str(pid).encode():
                found.append(int(entry.name))
    return found


async def leased(name):
    """Wait until an entry can be leased here; return its block, entered."""
    block = heartbeat_monitor(name)

    def is_free():
        try:
            block.__enter__()
        except LeaseHeld:
            return False
        return True

    await wait_until(is_free)
    return block


# --- Rung 1 ----------------------------------------------------------------------------------------------------------


def test_the_snippet_works_as_it_is_written(tmp_path):
    """Twice the same id: one effect, one result, and nothing to set up."""
    write_script(tmp_path, "return {'report': payload}", ONCE * 2)
    assert run(tmp_path, "main.py").splitlines() == ["{'report': {'a': 1}}"] * 2
    assert run(tmp_path, "main.py").splitlines() == ["{'report': {'a': 1}}"] * 2
    assert len(effects(tmp_path)) == 1
    assert [each.name for each in tmp_path.glob("ladder.db*") if each.name.endswith("-wal")] == [], "closed in order"


@on_loop
async def test_twenty_processes_and_a_kill_leave_one_completed_effect(tmp_path):
    """All race for one id, the winner is killed inside: its call and the one that completed are all there are."""
    effect = """
        if len(open("effects").readlines()) == 1:
            print("inside", flush=True)
            signal.pause()
        return {"by": os.getpid()}
    """
    race = """
        print("ready", flush=True)
        sys.stdin.readline()
        while True:
            try:
                process_task_with_retry("t1", {"a": 1})
            except AlreadyProcessed:
                pass
            except LeaseHeld:
                time.sleep(0.05)
                continue
            print(db.result("t1")["by"], flush=True)
            break
    """
    write_script(tmp_path, effect, race)
    with ExitStack() as stack:
        scripts = [stack.enter_context(Script(tmp_path)) for _ in range(20)]
        for each in scripts:
            assert each.hear() == "ready"
        for each in scripts:
            each.tell()
        await wait_until(lambda: effects(tmp_path))
        (winner,) = (each for each in scripts if each.pid == effects(tmp_path)[0])
        assert winner.hear() == "inside"
        winner.process.kill()
        others = [each for each in scripts if each is not winner]
        said = Counter(each.hear() for each in others)
        began = effects(tmp_path)
        assert began[0] == winner.pid
        assert len(began) == 2
        assert said == {str(began[1]): 19}, "all see the one result"
        for each in others:
            assert each.end() == (0, "")


def test_a_killed_script_gives_its_lease_back_at_once(tmp_path):
    """The keeper outlives the script for a moment, gives back what it held, and is gone."""
    write_script(tmp_path, WAIT_FOR_A_LINE, ONCE)
    with Script(tmp_path) as script:
        assert script.hear() == "inside"
        (keeper,) = keepers_of(script.pid)
        script.process.kill()
        script.end()  # the pipes are closed: nobody of the script's is left who holds them
        asyncio.run(wait_until(lambda: expiry("t1") is None, LEASE_SECONDS * 5))
        asyncio.run(wait_until(lambda: not Path(f"/proc/{keeper}").exists()))


HOLDS_THE_LOCK = {
    "in a regular expression": 're.match(r"(a+)+$", "a" * 60 + "b")',
    "in a library": "ctypes.PyDLL(None).sleep(600)",
}


@pytest.mark.parametrize("effect", HOLDS_THE_LOCK.values(), ids=HOLDS_THE_LOCK)
@on_loop
async def test_a_script_that_holds_the_interpreter_keeps_its_lease(tmp_path, effect):
    """No thread of the script runs any more, and the lease is renewed all the same."""
    ticking = """
        def tick():
            while True:
                write_down("ticks")
                time.sleep(0.01)
        threading.Thread(target=tick, daemon=True).start()
    """
    body = dedent(ticking) + dedent(ONCE)
    write_script(tmp_path, f"print('inside', flush=True)\n{effect}", body)
    renewals: dict[float, int] = {}
    with Script(tmp_path) as script:
        assert script.hear() == "inside"

        def look():
            renewals.setdefault(expiry("t1"), (tmp_path / "ticks").stat().st_size)
            return len(renewals) >= 8

        await wait_until(look)
        assert len(set(list(renewals.values())[-6:])) == 1, "its threads were silent"
        with pytest.raises(LeaseHeld, match=str(script.pid)), heartbeat_monitor("t1"):
            raise AssertionError("never entered")


@on_loop
async def test_a_stopped_script_loses_its_lease_and_its_late_result(tmp_path):
    """Stopped for longer than a lease, another does the work; when it goes on, its result is refused."""
    write_script(tmp_path, WAIT_FOR_A_LINE, ONCE)
    with Script(tmp_path) as script:
        assert script.hear() == "inside"
        os.kill(script.pid, signal.SIGSTOP)
        block = await leased("t1")
        Ledger().mark_done("t1", "by another")
        block.__exit__(None, None, None)
        os.kill(script.pid, signal.SIGCONT)
        script.tell()
        code, errors = script.end()
        assert code == 1
        assert "LeaseLost: [HF702] the lease on 't1' was lost" in errors
        assert Ledger().result("t1") == "by another"


@on_loop
async def test_a_keeper_that_is_killed_is_replaced(tmp_path):
    """Whatever happens to it, the lease goes on."""
    write_script(tmp_path, WAIT_FOR_A_LINE, ONCE)
    with Script(tmp_path) as script:
        assert script.hear() == "inside"
        (first,) = keepers_of(script.pid)
        os.kill(first, signal.SIGKILL)
        await wait_until(lambda: keepers_of(script.pid) not in ([], [first]))
        expiries = {expiry("t1")}
        await wait_until(lambda: expiries.add(expiry("t1")) or len(expiries) > 15)
        script.tell()
        code, errors = script.end()
        assert code == 0
        assert "has ended; starting another" in errors
    assert Ledger().result("t1") == {"by": script.pid}


# --- Rung 2 ----------------------------------------------------------------------------------------------------------

HOLDFAST = ("-m", "holdfast")


@pytest.mark.parametrize("killed", ["the worker", "the worker and its keeper"])
@on_loop
async def test_the_unchanged_function_survives_its_worker(tmp_path, killed):
    """Submitted on the command line, killed with its worker, done by another within a lease, and only once.

    Where nobody is left to give the entry back, the second attempt waits for it rather than fail.
    """
    effect = """
        if len(open("effects").readlines()) == 1:
            signal.pause()
        return {"by": os.getpid(), "of": payload}
    """
    write_script(tmp_path, effect, "")
    submit = (*HOLDFAST, "submit", "bot:process_task_with_retry", "t1", '{"a":1}', "--id", "r1", "--json")
    with (
        Script(tmp_path, *HOLDFAST, "orchestrator", "bot") as orchestrator,
        Script(tmp_path, *HOLDFAST, "worker", "bot") as worker,
    ):
        assert orchestrator.hear().startswith("member")
        assert worker.hear().startswith("member")
        assert '"created":true' in run(tmp_path, *submit)
        await wait_until(lambda: effects(tmp_path) == [worker.pid])
        with Script(tmp_path, *HOLDFAST, "worker", "bot") as second:
            assert second.hear().startswith("member")
            if killed != "the worker":
                expiries = {expiry("t1")}
                await wait_until(lambda: expiries.add(expiry("t1")) or len(expiries) > 3)
                (keeper,) = keepers_of(worker.pid)
                os.kill(keeper, signal.SIGKILL)
            worker.process.kill()
            worker.process.wait()
            loop = asyncio.get_running_loop()
            died = loop.time()
            await wait_until(lambda: len(effects(tmp_path)) == 2)
            assert loop.time() - died < LEASE_SECONDS + stretched(2.0), "a lease, and a moment"
            assert '"result":null' in run(tmp_path, *submit, "--wait")
            assert effects(tmp_path) == [worker.pid, second.pid]
            assert Ledger().result("t1") == {"by": second.pid, "of": {"a": 1}}
            async with await Client.connect(environment(tmp_path)["HOLDFAST_STORE"]) as client:
                (record,), _ = await client.runs()
                assert (record.run_id, record.status) == ("r1", "COMPLETED")
                events = [each.event for each in await client.handle("r1").history()]
                (completed,) = (each for each in events if isinstance(each, TaskCompleted))
                ends = [each.failure and each.failure.type for each in completed.attempts]
                assert ends == ["WorkerLostError"], "no attempt failed of itself"
            for each in (second, orchestrator):
                each.process.terminate()
                assert each.end()[0] == 0


def test_submitted_in_a_program_it_runs_once(tmp_path):
    """`app.submit` takes the function as it is; the ledger it uses is the application's store."""
    body = """
        from holdfast import Holdfast
        import bot
        with Holdfast(modules=[bot]) as app:
            for _ in range(2):
                assert app.submit(process_task_with_retry, "t1", {"a": 1}, id="r1").result() is None
            app.submit("bot:process_task_with_retry", task_id="t1", payload={"a": 1}, id="r2").result()
        print(db.result("t1"))
    """
    write_script(tmp_path, "return {'report': payload}", body)
    assert run(tmp_path, "main.py").strip() == "{'report': {'a': 1}}"
    assert len(effects(tmp_path)) == 1


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_tasks_mean_the_store_of_their_application(tmp_path, isolation):
    """Ledger and locks of task code are in the store that runs it, also where nothing but an argument names it."""
    body = f"""
        from holdfast import Holdfast, lock, task

        @task(isolation="{isolation}")
        def work(name):
            with lock("l") as held, heartbeat_monitor(name):
                db.mark_done(name, [os.getpid(), held.token > 0])

        if __name__ == "__main__":
            with Holdfast(modules=[__name__], store="sqlite:///{tmp_path}/other.db") as app:
                app.submit(work, "t1", id="r1").result()
                pid, held = db.result("t1")
                print((pid == os.getpid()) == ("{isolation}" == "thread"), held)
            print(Ledger(store="sqlite:///{tmp_path}/other.db").is_already_processed("t1"), db.result("t1"))
    """
    write_script(tmp_path, "pass", body)
    assert run(tmp_path, "main.py").split() == ["True", "True", "True", "None"]


# --- All four --------------------------------------------------------------------------------------------------------


def test_the_example_climbs_all_four_rungs(tmp_path):
    """`examples/ladder.py` runs as it is."""
    example = Path(__file__).parents[2] / "examples" / "ladder.py"
    said = run(tmp_path, str(example)).splitlines()
    assert [line.split(":")[0] for line in said] == ["rung 1", "rung 2", "rung 3", "rung 4"]
