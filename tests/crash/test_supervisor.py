"""Worker processes are kept running, drained on request, and never outlive their supervisor."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from contextlib import asynccontextmanager

from holdfast.worker import REPLACE_EXIT_CODE
from tests.crash.test_processes import environment, is_alive
from tests.unit.worker.rig import on_loop, wait_until

SUPERVISE = """
    import asyncio, sys
    from holdfast.worker import Supervisor

    async def main():
        return await Supervisor([sys.executable, *sys.argv[1:]], 2, backoff_seconds=0.01).run()

    sys.exit(asyncio.run(main()))
"""

WORKER = """
    import os, pathlib, signal, sys, threading
    folder = pathlib.Path(sys.argv[1])
    ended = threading.Event()

    def drain(*_):
        (folder / f"drained-{{os.getpid()}}").touch()
        {on_signal}

    signal.signal(signal.SIGTERM, drain)
    signal.signal(signal.SIGINT, lambda *_: (folder / "interrupted").touch())
    (folder / f"started-{{os.getpid()}}").touch()
    {work}
    while not ended.wait(0.01):
        pass
"""


@asynccontextmanager
async def supervised(folder, on_signal="ended.set()", work=""):
    """Run a supervisor over two workers in a session of its own."""
    (folder / "supervise.py").write_text(textwrap.dedent(SUPERVISE), encoding="utf-8")
    program = textwrap.dedent(WORKER).format(on_signal=on_signal, work=work)
    (folder / "worker.py").write_text(program, encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(folder / "supervise.py"),
        str(folder / "worker.py"),
        str(folder),
        env=environment(),
        cwd=folder,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await wait_until(lambda: not any(is_alive(pid) for pid in pids(folder, "started")))


def pids(folder, what):
    """Return the processes that reported something."""
    return {int(path.name.partition("-")[2]) for path in folder.glob(f"{what}-*")}


@on_loop
async def test_as_many_run_as_were_asked(tmp_path):
    """As many run as were asked for and drain when told."""
    async with supervised(tmp_path) as supervisor:
        await wait_until(lambda: len(pids(tmp_path, "started")) == 2)
        supervisor.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            assert await supervisor.wait() == 0
        assert pids(tmp_path, "drained") == pids(tmp_path, "started")


@on_loop
async def test_one_that_dies_is_started_again(tmp_path):
    """One that dies is started again."""
    async with supervised(tmp_path) as supervisor:
        await wait_until(lambda: len(pids(tmp_path, "started")) == 2)
        os.kill(min(pids(tmp_path, "started")), signal.SIGKILL)
        await wait_until(lambda: len(pids(tmp_path, "started")) == 3)
        assert supervisor.returncode is None


@on_loop
async def test_one_that_asks_for_it_is(tmp_path):
    """One that asks for it is replaced."""
    work = f"""
    try:
        (folder / "first").mkdir()
    except FileExistsError:
        pass
    else:
        sys.exit({REPLACE_EXIT_CODE})
"""
    async with supervised(tmp_path, work=textwrap.dedent(work)):
        await wait_until(lambda: len(pids(tmp_path, "started")) == 3)
        await wait_until(lambda: sum(is_alive(pid) for pid in pids(tmp_path, "started")) == 2)


@on_loop
async def test_a_second_signal_ends_what_still(tmp_path):
    """A second signal ends what still drains."""
    async with supervised(tmp_path, on_signal="") as supervisor:
        await wait_until(lambda: len(pids(tmp_path, "started")) == 2)
        supervisor.send_signal(signal.SIGTERM)
        await wait_until(lambda: len(pids(tmp_path, "drained")) == 2)
        assert supervisor.returncode is None
        supervisor.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            assert await supervisor.wait() == 1


@on_loop
async def test_control_c_reaches_the_supervisor_alone(tmp_path):
    """Control c reaches the supervisor alone."""
    async with supervised(tmp_path) as supervisor:
        await wait_until(lambda: len(pids(tmp_path, "started")) == 2)
        os.killpg(supervisor.pid, signal.SIGINT)
        async with asyncio.timeout(20):
            assert await supervisor.wait() == 0
        assert pids(tmp_path, "drained") == pids(tmp_path, "started")
        assert not (tmp_path / "interrupted").exists()


@on_loop
async def test_when_the_supervisor_is_killed_its(tmp_path):
    """When the supervisor is killed its workers die."""
    async with supervised(tmp_path, on_signal="") as supervisor:
        await wait_until(lambda: len(pids(tmp_path, "started")) == 2)
        supervisor.kill()
        await wait_until(lambda: not any(is_alive(pid) for pid in pids(tmp_path, "started")), 5)
        assert pids(tmp_path, "drained") == set()
