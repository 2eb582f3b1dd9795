"""A process that is killed in the middle of a commit loses nothing it was told is kept, and harms nobody."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.history import verify_chain
from holdfast.stores.sqlite import verify
from tests.programs import require_program
from tests.unit.stores.sqlite.keeper import HERE, Author, opened, second


async def check(path: Path, acknowledged: int) -> None:
    """Check that a store whose writer was killed holds what it acknowledged, at most one commit more, and works."""
    report = verify(path)
    assert report.ok, report.problems
    async with opened(path) as store:
        records, _ = await store.runs()
        for record in records:
            last, _ = verify_chain(await store.pages(record.execution_id))
            # The first page came with the start, before the commits that are counted.
            assert acknowledged <= last - 1 <= acknowledged + 1
        author = Author(store)
        await author.join()
        await author.start("next")
        await author.append("next")
    assert verify(path).ok


@pytest.mark.parametrize("at", [1, 2, 7])
def test_killed_before_the_commit(at: int, tmp_path: Path) -> None:
    """Killed with all statements run and nothing committed, the store holds exactly the commits before."""

    async def run() -> None:
        async with second("die_in_commit", tmp_path / "db", at) as process:
            lines = await process.rest()
        assert len(lines) == at - 1
        await check(tmp_path / "db", len(lines))

    asyncio.run(run())


@pytest.mark.parametrize("commits", [1, 5, 40])
def test_killed_at_any_moment(commits: int, tmp_path: Path) -> None:
    """Killed from outside while it writes flat out, the store holds every commit that was acknowledged."""

    async def run() -> None:
        async with second("write_flat_out", tmp_path / "db", 3) as process:
            for _ in range(commits):
                assert await process.line()
            process.kill()
            lines = await process.rest()
        await check(tmp_path / "db", commits + len(lines))

    asyncio.run(run())


@pytest.mark.parametrize(
    ("system_call", "when"),
    [("fdatasync", when) for when in (9, 10, 11, 30)]
    + [("pwrite64", when) for when in range(282, 292)],  # after the file was made,
)
def test_killed_in_a_system_call(system_call: str, when: int, tmp_path: Path) -> None:
    """Killed as it enters a wait for the disk, or any write to any file, the store holds every commit acknowledged."""
    acknowledged = killed(system_call, when, tmp_path / "db")
    asyncio.run(check(tmp_path / "db", acknowledged))


@pytest.mark.parametrize(
    ("system_call", "when"), [("fdatasync", 1), ("fdatasync", 2), ("pwrite64", 1), ("pwrite64", 5), ("pwrite64", 60)]
)
def test_killed_while_it_makes_the_file(system_call: str, when: int, tmp_path: Path) -> None:
    """Killed while the file is made, it is made by the next one."""
    assert killed(system_call, when, tmp_path / "db") == 0

    async def run() -> None:
        async with opened(tmp_path / "db") as store:
            author = Author(store)
            await author.join()
            await author.start("first")
        assert verify(tmp_path / "db").ok

    asyncio.run(run())


def killed(system_call: str, when: int, path: Path) -> int:
    """Kill a process that writes as it enters a system call for the `when`th time; return what it acknowledged."""
    strace = require_program("strace", "apt-get install strace")
    command = [strace, "-f", "-o", "/dev/null", "-e", f"trace={system_call}"]
    command += ["-e", f"inject={system_call}:signal=KILL:when={when}"]
    command += [sys.executable, str(HERE / "second.py"), "write_flat_out", str(path), "2"]
    done = subprocess.run(command, capture_output=True, check=False, cwd=HERE.parents[3])
    if b"ptrace" in done.stderr:
        pytest.skip("strace may not trace here")
    assert done.returncode != 0, "it was not killed"
    return len(done.stdout.splitlines())
