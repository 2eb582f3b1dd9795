"""A lease is renewed for a member that works, and for no other."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from holdfast.ports.operations import Reap
from holdfast.worker import Sidecar
from holdfast.worker.beats import culprit
from tests.crash.test_processes import environment, is_alive
from tests.logbook import logbook
from tests.unit.worker.rig import on_loop, pause, wait_until
from tests.unit.worker.yard import yard_at

LEASE = 0.9

MEMBER = """
    import asyncio, re, sys, threading
    from holdfast.worker import Sidecar

    def work():
        {work}

    async def main():
        sidecar = Sidecar("tests.crash.renewals:beat", {{"file": {file!r}}}, lease_seconds={lease}, fenced=fenced)
        await sidecar.open()
        print(sidecar.pid, flush=True)
        await asyncio.sleep(0)
        work()
        await asyncio.Event().wait()

    def fenced():
        print("fenced", flush=True)

    asyncio.run(main())
"""

TURN = "return"
COMPUTE = "while True: pass"
COMPUTE_IN_C = 're.match(r"(a+)+$", "a" * 40 + "b")'
HANG = "threading.Event().wait()"


def renewals(file):
    """Return (time, pid, state) of all renewals."""
    if not file.exists():
        return []
    lines = [line.split(" ", 2) for line in file.read_text(encoding="utf-8").splitlines()]
    return [(float(at), int(pid), state) for at, pid, state in lines]


class Member:
    """A process with a sidecar."""

    def __init__(self, process, sidecar, file):
        """Keep what a test needs."""
        self.process = process
        self.sidecar = sidecar
        self.file = file

    def states(self):
        """Return the states of all renewals."""
        return [state for _, _, state in renewals(self.file)]

    async def wait_renewed(self, times):
        """Wait for more renewals."""
        goal = len(self.states()) + times
        await wait_until(lambda: len(self.states()) >= goal)

    async def wait_expired(self):
        """Wait until the last renewal is a whole lease ago."""
        await wait_until(lambda: time.monotonic() > renewals(self.file)[-1][0] + LEASE)

    async def wait_complaint(self, words):
        """Wait until the sidecar says something on standard error."""
        async with asyncio.timeout(20):
            while words not in (line := (await self.process.stderr.readline()).decode()):
                assert line, "the member ended"


@asynccontextmanager
async def member(folder, work, lease=LEASE):
    """Start a process with a sidecar, which then does `work` on its loop."""
    script = folder / "member.py"
    file = folder / "renewals"
    text = textwrap.dedent(MEMBER).format(work=work, file=str(file), lease=lease)
    script.write_text(text, encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(script), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder
    )
    try:
        async with asyncio.timeout(20):
            sidecar = int(await process.stdout.readline())
        yield Member(process, sidecar, file)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
    await wait_until(lambda: not is_alive(sidecar))


@on_loop
async def test_a_member_whose_loop_turns_is(tmp_path):
    """A member whose loop turns is alive."""
    async with member(tmp_path, TURN) as one:
        await one.wait_renewed(4)
        assert set(one.states()) == {"alive"}


@pytest.mark.parametrize("work", [COMPUTE, COMPUTE_IN_C])
@on_loop
async def test_a_member_that_computes_for_long(tmp_path, work):
    """A member that computes for long keeps its lease and the line is named."""
    async with member(tmp_path, work) as one:
        await one.wait_renewed(8)
        times = [at for at, _, _ in renewals(one.file)][1:]
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert max(gaps) < LEASE, "never without a lease"
        last = one.states()[-1]
        if work == COMPUTE:
            assert last == "blocked at member.py:6"
        else:
            assert last.startswith("blocked at"), "no other thread runs that could name the line"


@on_loop
async def test_a_member_that_hangs_loses_its(tmp_path):
    """A member that hangs loses its lease."""
    async with member(tmp_path, HANG) as one:
        await one.wait_complaint("hangs")
        await one.wait_expired()


@on_loop
async def test_a_stopped_member_is_not_renewed(tmp_path):
    """A stopped member is not renewed and one that goes on is."""
    async with member(tmp_path, TURN) as one:
        await one.wait_renewed(2)
        one.process.send_signal(signal.SIGSTOP)
        try:
            await one.wait_complaint("stopped")
            await one.wait_expired()
        finally:
            one.process.send_signal(signal.SIGCONT)
        await one.wait_renewed(2)


@pytest.mark.parametrize("work", [TURN, COMPUTE])
@on_loop
async def test_a_killed_member_is_never_renewed(tmp_path, work):
    """A killed member is never renewed again."""
    async with member(tmp_path, work, lease=0.3) as one:
        await one.wait_renewed(3)
        one.process.kill()
        await one.process.wait()
        killed = time.monotonic()
        await wait_until(lambda: not is_alive(one.sidecar), 1.0)
        assert all(at <= killed for at, _, _ in renewals(one.file))


@on_loop
async def test_being_told_to_terminate_does_not(tmp_path):
    """Being told to terminate does not silence a sidecar."""
    async with member(tmp_path, TURN) as one:
        await one.wait_renewed(1)
        os.kill(one.sidecar, signal.SIGTERM)
        os.kill(one.sidecar, signal.SIGINT)
        await one.wait_renewed(2)
        assert {pid for _, pid, _ in renewals(one.file)} == {one.sidecar}


# In this process -----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def sidecar_here(folder, entry="tests.crash.renewals:beat", lease=0.3):
    """Give this process a sidecar; yields it, its file, and how often it was told that the lease is lost."""
    lost = []
    file = folder / "renewals"
    sidecar = Sidecar(entry, {"file": str(file)}, lease_seconds=lease, fenced=lambda: lost.append(True))
    await sidecar.open()
    try:
        yield sidecar, file, lost
    finally:
        await sidecar.close()


@on_loop
async def test_a_lost_lease_is_told_once(tmp_path):
    """A lost lease is told once."""
    async with sidecar_here(tmp_path) as (sidecar, file, lost):
        await wait_until(lambda: len(renewals(file)) >= 2)
        file.with_name("renewals.lost").touch()
        await wait_until(lambda: lost)
        assert sidecar.pid is None, "and no other sidecar is started"
        assert lost == [True]


@on_loop
async def test_a_sidecar_that_dies_is_replaced(tmp_path):
    """A sidecar that dies is replaced."""
    async with sidecar_here(tmp_path) as (sidecar, file, lost):
        await wait_until(lambda: renewals(file))
        first = sidecar.pid
        os.kill(first, signal.SIGKILL)
        await wait_until(lambda: {pid for _, pid, _ in renewals(file)} - {first})
        assert lost == []


@on_loop
async def test_a_renewal_that_fails_is_tried(tmp_path):
    """A renewal that fails is tried again."""
    async with sidecar_here(tmp_path, "tests.crash.renewals:beat_badly") as (_, file, lost):
        await wait_until(lambda: len(renewals(file)) >= 5)
        assert len({pid for _, pid, _ in renewals(file)}) == 1
        assert lost == []


@on_loop
async def test_what_a_sidecar_says_looks_like(tmp_path, monkeypatch, capfd):
    """What a sidecar says looks like what its member says."""
    with logbook(monkeypatch, member="here:1") as book:
        async with sidecar_here(tmp_path, "tests.crash.renewals:beat_badly") as (_, file, _):
            await wait_until(lambda: len(renewals(file)) >= 2)
    assert book.lines == []
    said = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    first = next(line for line in said if line["event"] == "the lease could not be renewed")
    assert first["error"] == "OSError: the store is elsewhere"
    assert (first["level"], first["logger"], first["member"]) == ("warning", "holdfast.worker", "here:1")


@on_loop
async def test_the_lease_in_a_store_is(tmp_path):
    """The lease in a store is renewed and its loss noticed."""
    async with yard_at(tmp_path) as yard:
        membership = await yard.join("me", LEASE)
        lost = []
        arguments = {
            "path": str(tmp_path / "store.db"),
            "member": membership.member,
            "epoch": membership.epoch,
            "lease_seconds": LEASE,
            "synchronous": "NORMAL",
        }

        async def expiry():
            (me,) = [each for each in await yard.store.members() if each.name == "me"]
            return me.expires_at

        first = await expiry()
        sidecar = Sidecar("holdfast.stores.beat:beat", arguments, lease_seconds=LEASE, fenced=lambda: lost.append(True))
        await sidecar.open()
        try:
            async with asyncio.timeout(20):
                while await expiry() < first + 2 * LEASE:
                    await pause()
            (reaped,) = await yard.store.write([Reap(10)])
            assert "me" not in reaped.members
            os.kill(sidecar.pid, signal.SIGSTOP)
            async with asyncio.timeout(20):
                while "me" not in (await yard.store.write([Reap(10)]))[0].members:
                    await pause()
            os.kill(sidecar.pid, signal.SIGCONT)
            await wait_until(lambda: lost)
        finally:
            await sidecar.close()


def test_the_culprit_is_the_users_innermost():
    """The culprit is the users innermost line."""
    assert culprit(sys._getframe()).startswith("tests/crash/test_sidecar.py:")
    assert culprit(None) == ""
    seen = []
    textwrap.re.sub("a", lambda _: seen.append(culprit(sys._getframe())) or "", "a")  # called through the library
    assert seen[0].startswith("tests/crash/test_sidecar.py:")
