"""Tasks in child processes: what is killed is gone, and what dies is told."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from holdfast.worker import LocalRunner
from tests.crash import process_tasks as tasks
from tests.pace import stretched
from tests.unit.worker.rig import Definitions, Functions, Started, WallClock, call, call_defined, on_loop, wait_until

ALL = [
    value for value in vars(tasks).values() if callable(value) and getattr(value, "__module__", "") == tasks.__name__
]


@asynccontextmanager
async def running(**changes):
    """Give a runner of all tasks, and close it."""
    runner = LocalRunner(Definitions(*ALL), WallClock(), **changes)
    try:
        yield runner
    finally:
        await runner.close()
        assert runner.statistics().processes == 0


def start(runner, fn, *args, **changes):
    """Start a call in a child process."""
    return Started(runner, call_defined(fn, *args, isolation="process", **changes))


def is_alive(pid):
    """Say whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


async def said(path):
    """Wait for a number that a task writes."""
    await wait_until(path.exists)
    return int(path.read_text(encoding="ascii"))


@pytest.mark.parametrize("fn", [tasks.double, tasks.double_async])
@on_loop
async def test_a_result_comes_back(fn):
    """A result comes back."""
    async with running() as runner:
        assert (await start(runner, fn, 21).outcome()).result == b"42"


@on_loop
async def test_a_failure_comes_back_with_the():
    """A failure comes back with the users lines."""
    async with running() as runner:
        failure = (await start(runner, tasks.fail, "no").outcome()).failure
        assert (failure.type, failure.message, failure.retryable) == ("ValueError", "no", True)
        assert failure.traceback.splitlines()[0].endswith("in fail")


@on_loop
async def test_the_child_looks_like_its_parent():
    """The child looks like its parent."""
    async with running() as runner:
        changes = {"attempt": 2, "token": 9, "progress": b"[1]", "timeout": 60}
        seen = msgspec.json.decode((await start(runner, tasks.look, **changes).outcome()).result)
        assert seen["pid"] != os.getpid()
        assert (seen["attempt"], seen["token"], seen["key"], seen["progress"]) == (2, 9, "r-1/look#1", [1])
        assert seen["deadline"] == pytest.approx(time.time() + 60, abs=10)
        assert seen["main_thread"]
        assert (seen["path"], seen["argv"]) == (sys.path, sys.argv)
        assert seen["python_path"] == os.environ.get("PYTHONPATH")
        assert seen["group"] == seen["pid"], "Ctrl-C does not reach it"


@on_loop
async def test_a_child_is_used_again():
    """A child is used again."""
    async with running() as runner:
        pids = set()
        for _ in range(5):
            pids.add(msgspec.json.decode((await start(runner, tasks.look).outcome()).result)["pid"])
        assert len(pids) <= 2, "itself or the warm one"


@on_loop
async def test_large_payloads_travel_both_ways():
    """Large payloads travel both ways."""
    async with running() as runner:
        text = "x" * 20_000_000
        outcome = await start(runner, tasks.echo, text).outcome()
        assert len(outcome.result) == len(text) + 2


@on_loop
async def test_a_result_that_is_not_json():
    """A result that is not json is a failure that no retry mends."""
    async with running() as runner:
        failure = (await start(runner, tasks.unfit).outcome()).failure
        assert (failure.type, failure.retryable) == ("EncodeError", False)


@pytest.mark.parametrize("fn", [tasks.spin, tasks.spin_in_c, tasks.ignore_signals])
@on_loop
async def test_a_hung_task_is_killed_at(fn, tmp_path):
    """A hung task is killed at its time out and its place used again."""
    async with running(processes_max=1) as runner:
        assert (await start(runner, tasks.double, 1).outcome()).result == b"2"
        hung = start(runner, fn, str(tmp_path / "pid"), timeout=0.4)
        waiting = start(runner, tasks.double, 2)
        pid = await said(tmp_path / "pid")
        outcome = await hung.outcome()
        ended = time.monotonic()
        assert outcome.timeout == "attempt"
        assert outcome.failure.retryable
        assert not is_alive(pid)
        assert (await waiting.outcome()).result == b"4"
        assert time.monotonic() - ended < stretched(2.0), "the place is back within two seconds"


@on_loop
async def test_killing_takes_along_what_the_task(tmp_path):
    """Killing takes along what the task started."""
    async with running() as runner:
        hung = start(runner, tasks.start_and_hang, str(tmp_path / "pid"), timeout=None)
        pid = await said(tmp_path / "pid")
        hung.attempt.cancel()
        outcome = await hung.outcome()
        assert (outcome.cancelled, outcome.failure) == (True, None)
        await wait_until(lambda: not is_alive(pid))


@on_loop
async def test_connections_of_a_killed_task_are(tmp_path):
    """Connections of a killed task are closed."""
    closed = asyncio.Event()

    async def serve(reader, writer):
        await reader.read()
        closed.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, running() as runner:
        port = server.sockets[0].getsockname()[1]
        hung = start(runner, tasks.hold_connection, str(tmp_path / "pid"), port, timeout=None)
        await said(tmp_path / "pid")
        hung.attempt.cancel()
        async with asyncio.timeout(2):
            await closed.wait()
        assert (await hung.outcome()).cancelled


@pytest.mark.parametrize(
    ("fn", "args", "words"),
    [
        (tasks.kill_itself, (signal.SIGKILL,), "SIGKILL"),
        (tasks.kill_itself, (signal.SIGTERM,), "SIGTERM"),
        (tasks.segfault, (), "SIGSEGV"),
        (tasks.leave, (3,), "code 3"),
        (tasks.leave, (0,), "code 0"),
    ],
)
@on_loop
async def test_a_child_that_dies_by_itself(fn, args, words):
    """A child that dies by itself is a failure to be retried."""
    async with running(processes_max=1) as runner:
        failure = (await start(runner, fn, *args).outcome()).failure
        assert failure.type == "ProcessDiedError"
        assert words in failure.message
        assert failure.retryable
        assert (await start(runner, tasks.double, 1).outcome()).result == b"2", "others are not concerned"


@on_loop
async def test_raising_system_exit_does_not_end():
    """Raising system exit does not end the child."""
    async with running() as runner:
        failure = (await start(runner, tasks.exit_politely, 3).outcome()).failure
        assert failure.type == "SystemExit"


@on_loop
async def test_killing_idle_children_harms_no_call():
    """A call that its child never began is begun by another."""
    async with running() as runner:
        assert (await start(runner, tasks.double, 4).outcome()).result == b"8"
        for child in runner._processes._children:
            os.kill(child.pid, signal.SIGKILL)
        # Nobody has noticed yet, and the next call goes to a child that will not read it.
        assert (await start(runner, tasks.double, 5).outcome()).result == b"10"


@pytest.mark.parametrize("fn", [tasks.close_everything, tasks.scribble])
@on_loop
async def test_a_task_that_breaks_the_line(fn):
    """A task that breaks the line fails alone."""
    async with running() as runner:
        outcome = await start(runner, fn).outcome()
        assert outcome.result is None
        assert (await start(runner, tasks.double, 4).outcome()).result == b"8"


@on_loop
async def test_heartbeats_and_progress_travel():
    """Heartbeats and progress travel."""
    async with running() as runner:
        assert (await start(runner, tasks.double, 1).outcome()).result == b"2"
        lively = start(runner, tasks.beat, 8, 0.1, heartbeat_timeout=0.5)
        assert (await lively.outcome()).result == b"8"
        assert lively.attempt.progress == b'{"done":7}'
        assert lively.attempt.beats == 8


@on_loop
async def test_a_task_may_beat_in_every_round_of_a_fast_loop():
    """Beats that follow each other quickly are sent as one, and the last one arrives."""
    async with running() as runner:
        busy = start(runner, tasks.beat, 20_000, 0)
        assert (await busy.outcome()).result == b"20000"
        assert busy.attempt.progress == b'{"done":19999}'
        assert busy.attempt.beats < 2_000


@on_loop
async def test_silence_is_a_heartbeat_time_out():
    """Silence is a heartbeat time out."""
    async with running() as runner:
        assert (await start(runner, tasks.double, 1).outcome()).result == b"2"
        silent = start(runner, tasks.beat_once_then_hang, heartbeat_timeout=0.3)
        assert (await silent.outcome()).timeout == "heartbeat"
        assert silent.attempt.progress == b'"hello"'


@on_loop
async def test_a_beat_after_the_end_of(tmp_path):
    """A beat after the end of a call is refused."""
    async with running() as runner:
        assert (await start(runner, tasks.beat_late, str(tmp_path / "said")).outcome()).result == b"null"
        assert await said(tmp_path / "said") == 1


@on_loop
async def test_what_another_process_cannot_find_is():
    """What another process cannot find is refused with the reason."""

    def local():
        pass

    runner = LocalRunner(Functions(local), WallClock())
    failure = (await Started(runner, call(local, isolation="process")).outcome()).failure
    await runner.close()
    assert failure.type == "DefinitionError"
    assert "cannot import it" in failure.message
    assert not failure.retryable


@on_loop
async def test_a_time_out_that_was_set():
    """A time out that was set moves a synchronous task into a process."""

    def local():
        return os.getpid()

    runner = LocalRunner(Functions(tasks.look, tasks.double_async, local, timeout_set=True), WallClock())
    try:
        options = call(tasks.look).options
        assert runner.isolation("look", options) == "process"
        assert runner.isolation("double_async", options) == "async"
        assert runner.isolation("local", options) == "thread", "no other process can find it"
        assert not runner.is_quick("look", options)
        assert runner.is_quick("local", options)
    finally:
        await runner.close()


# The parent ----------------------------------------------------------------------------------------------------------

SCRIPT = """
    import asyncio, sys
    from holdfast.worker import LocalRunner
    from tests.unit.worker.rig import Definitions, Started, WallClock, call_defined
    from tests.crash import process_tasks as tasks

    {before}

    async def main():
        runner = LocalRunner(Definitions({names}), WallClock())
        {body}
        await runner.close()

    if __name__ == "__main__":
        asyncio.run(main())
"""


def write_script(folder, *, names, body, before=""):
    """Write a script that runs tasks, and return its path."""
    text = textwrap.dedent(SCRIPT).format(
        names=names, before=textwrap.dedent(before), body=textwrap.indent(textwrap.dedent(body), "    ").strip()
    )
    path = folder / "script.py"
    path.write_text(text, encoding="utf-8")
    return path


def environment():
    """Return an environment in which scripts find the tests."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


@pytest.mark.parametrize("fn", ["spin", "spin_in_c", "start_and_hang"])
@on_loop
async def test_when_the_parent_is_killed_its(fn, tmp_path):
    """When the parent is killed its children die."""
    pid_file = tmp_path / "pid"
    script = write_script(
        tmp_path,
        names=f"tasks.{fn}",
        body=f"await Started(runner, call_defined(tasks.{fn}, {str(pid_file)!r}, isolation='process')).outcome(60)",
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, str(script), env=environment())
    try:
        pid = await said(pid_file)
        child = pid if fn != "start_and_hang" else _parent_of(pid)
        assert is_alive(child)
    finally:
        parent.kill()
        await parent.wait()
    await wait_until(lambda: not is_alive(child), 5)
    if fn == "start_and_hang" and is_alive(pid):
        os.kill(pid, signal.SIGKILL)  # what a task started is on its own when the machine kills both above it


def _parent_of(pid):
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])


@on_loop
async def test_a_task_in_the_script_itself(tmp_path):
    """A task in the script itself runs in a child."""
    script = write_script(
        tmp_path,
        before="""
            print("imported as", __name__, flush=True)

            def in_script(number: "int") -> "int":
                print("doing", number)
                return number + 1
        """,
        names="in_script",
        body="print((await Started(runner, call_defined(in_script, 41, isolation='process')).outcome()).result)",
    )
    program = await asyncio.create_subprocess_exec(
        sys.executable, str(script), env=environment(), stdout=subprocess.PIPE, cwd=tmp_path
    )
    out, _ = await program.communicate()
    lines = out.decode().splitlines()
    assert lines[0] == "imported as __main__"
    assert "doing 41" in lines
    assert "b'42'" in lines
    assert set(lines) <= {"imported as __main__", "imported as __holdfast_main__", "doing 41", "b'42'"}


@on_loop
async def test_a_script_without_a_guard_is_imported_up_to_where_it_starts(tmp_path):
    """What starts something says so first, and a child stops its import there."""
    script = write_script(
        tmp_path,
        before="""
            def in_script(number: "int") -> "int":
                return number + 1
        """,
        names="in_script",
        body="print((await Started(runner, call_defined(in_script, 41, isolation='process')).outcome()).result)",
    )
    text = script.read_text(encoding="utf-8")
    start = "end_script_import()\nprint('starting', flush=True)\nasyncio.run(main())\n"
    unguarded = text.replace('if __name__ == "__main__":\n    asyncio.run(main())', start)
    assert unguarded != text
    script.write_text(f"from holdfast.worker import end_script_import\n{unguarded}", encoding="utf-8")
    program = await asyncio.create_subprocess_exec(
        sys.executable, str(script), env=environment(), stdout=subprocess.PIPE, cwd=tmp_path
    )
    out, _ = await program.communicate()
    assert out.decode().splitlines() == ["starting", "b'42'"]


@on_loop
async def test_a_module_that_starts_something_is_refused(tmp_path):
    """A child that imports a module for its tasks does not wait for a stack in itself: the line is named."""
    (tmp_path / "eager.py").write_text(
        "import os\n"
        "from holdfast.worker import end_script_import\n"
        "def work() -> int:\n"
        "    return 1\n"
        "if os.getpid() != int(os.environ['PARENT']):\n"
        "    end_script_import()\n",
        encoding="utf-8",
    )
    script = write_script(
        tmp_path,
        before="""
            import os
            os.environ["PARENT"] = str(os.getpid())
            import eager
        """,
        names="eager.work",
        body="print((await Started(runner, call_defined(eager.work, isolation='process')).outcome()).failure.message)",
    )
    program = await asyncio.create_subprocess_exec(
        sys.executable, str(script), env=environment(), stdout=subprocess.PIPE, cwd=tmp_path
    )
    out, _ = await program.communicate()
    assert "a module starts Holdfast while it is imported" in out.decode()
    assert f"{tmp_path / 'eager.py'}:6" in out.decode()


@on_loop
async def test_control_c_prints_no_traceback_of(tmp_path):
    """Control c prints no traceback of a child."""
    pid_file = tmp_path / "pid"
    script = write_script(
        tmp_path,
        before="import signal",
        names="tasks.spin",
        body=f"""
            # Without a handler of the loop's a signal that comes right before the loop sleeps wakes nobody.
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, print)
            started = Started(runner, call_defined(tasks.spin, {str(pid_file)!r}, isolation='process'))
            try:
                await started.outcome(60)
            except asyncio.CancelledError:
                print("interrupted")
        """,
    )
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        str(script),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    pid = await said(pid_file)
    os.killpg(program.pid, signal.SIGINT)  # what a terminal does
    out, err = await program.communicate()
    assert out.decode() == "interrupted\n"
    assert err.decode().count("Traceback") <= 1, "the program's own"
    assert "holdfast" not in err.decode()
    await wait_until(lambda: not is_alive(pid))
