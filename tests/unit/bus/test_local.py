"""The local bus rings everybody on the same file, this process included, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from holdfast.bus import LocalBus
from holdfast.bus.local import PATH_BYTES_MAX, bell_directory
from holdfast.ports.bus import CLOSED, RUNS, TASKS

ROOT = Path(__file__).parents[3]


class Listening:
    """Remembers what was rung, and waits for it."""

    def __init__(self, bus: LocalBus) -> None:
        self.rung: list[frozenset[str]] = []
        self._came = asyncio.Event()
        self.stop = bus.listen(self._hear)

    def _hear(self, topics: frozenset[str]) -> None:
        self.rung.append(topics)
        self._came.set()

    async def wait(self) -> frozenset[str]:
        """Wait for the next ring."""
        async with asyncio.timeout(10):
            await self._came.wait()
        self._came.clear()
        return self.rung[-1]


def run(test: Callable[[], object]) -> None:
    """Run an async test."""
    asyncio.run(test())  # type: ignore[arg-type]  # a test is a coroutine function


def test_rings_are_merged() -> None:
    """Everything rung in one pass of the loop is one call of each listener, with all topics."""

    async def test() -> None:
        bus = LocalBus()
        bus.ring([RUNS])  # nobody listens yet; nothing happens
        await bus.open()
        first, second = Listening(bus), Listening(bus)
        bus.ring([RUNS])
        bus.ring([TASKS, RUNS])
        assert await first.wait() == await second.wait() == {RUNS, TASKS}
        second.stop()
        bus.ring([CLOSED])
        assert await first.wait() == {CLOSED}
        assert (len(first.rung), len(second.rung)) == (2, 1)
        await bus.close()
        bus.ring([RUNS])
        await asyncio.sleep(0)
        assert len(first.rung) == 2

    run(test)


def test_every_bus_on_a_file_is_rung(tmp_path: Path) -> None:
    """A ring reaches the other buses of the same file and its own listeners, and nobody on another file."""

    async def test() -> None:
        buses = [LocalBus(tmp_path / name) for name in ("a.db", "a.db", "a.db", "b.db")]
        for bus in buses:
            await bus.open()
        listening = [Listening(bus) for bus in buses]
        for number in range(3):
            buses[number].ring([RUNS, CLOSED])
            for each in listening[:3]:
                assert await each.wait() == {RUNS, CLOSED}
        assert not listening[3].rung
        for bus in buses:
            await bus.close()

    run(test)
    assert list(tmp_path.iterdir()) == []


def test_a_bus_that_comes_later_is_rung(tmp_path: Path) -> None:
    """A bus that is opened after others have rung is found by their next ring."""

    async def test() -> None:
        first = LocalBus(tmp_path / "db")
        await first.open()
        for _ in range(20):
            first.ring([RUNS])
            later = LocalBus(tmp_path / "db")
            await later.open()
            listening = Listening(later)
            await asyncio.sleep(0)
            first.ring([TASKS])
            while TASKS not in await listening.wait():
                pass
            await later.close()
        await first.close()

    run(test)


def test_the_dead_are_cleared_away(tmp_path: Path) -> None:
    """The socket of a process that was killed is removed by the next ring, and the bell goes on."""
    program = (
        "import asyncio, sys; from pathlib import Path; from holdfast.bus import LocalBus\n"
        "async def main():\n"
        "    await LocalBus(Path(sys.argv[1])).open(); print('open', flush=True); await asyncio.Event().wait()\n"
        "asyncio.run(main())"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        process.kill()
    bell = bell_directory(tmp_path / "db")
    assert len(list(bell.iterdir())) == 1

    async def test() -> None:
        bus = LocalBus(tmp_path / "db")
        await bus.open()
        listening = Listening(bus)
        bus.ring([RUNS])
        assert await listening.wait() == {RUNS}
        assert [path.name.split("-")[0] for path in bell.iterdir()] == [str(os.getpid())]
        await bus.close()

    run(test)
    assert not bell.exists()


def test_another_process_is_rung(tmp_path: Path) -> None:
    """A ring in one process is heard in another one."""
    program = (
        "import asyncio, sys; from pathlib import Path; from holdfast.bus import LocalBus\n"
        "async def main():\n"
        "    bus = LocalBus(Path(sys.argv[1])); await bus.open()\n"
        "    bus.ring(['tasks']); await asyncio.sleep(0); await asyncio.sleep(0); await bus.close()\n"
        "asyncio.run(main())"
    )

    async def test() -> None:
        bus = LocalBus(tmp_path / "db")
        await bus.open()
        listening = Listening(bus)
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, str(tmp_path / "db"), cwd=ROOT)
        assert await listening.wait() == {TASKS}
        assert await process.wait() == 0
        await bus.close()

    run(test)


def test_a_full_queue_does_not_block(tmp_path: Path) -> None:
    """Ringing somebody who does not read neither waits nor fails, nor keeps others from being rung."""

    async def test() -> None:
        bus, other = LocalBus(tmp_path / "db"), LocalBus(tmp_path / "db")
        await bus.open()
        deaf = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        deaf.bind(str(bell_directory(tmp_path / "db") / "1-deaf"))
        await other.open()
        listening = Listening(other)
        for _ in range(2_000):
            bus.ring([RUNS])
            await asyncio.sleep(0)
        bus.ring([CLOSED])
        while CLOSED not in await listening.wait():
            pass
        deaf.close()
        await other.close()
        await bus.close()

    run(test)


def test_it_may_be_rung_from_a_thread() -> None:
    """A ring from another thread calls listeners on the loop."""

    async def test() -> None:
        bus = LocalBus()
        await bus.open()
        listening = Listening(bus)
        await asyncio.to_thread(bus.ring, [RUNS])
        assert await listening.wait() == {RUNS}
        await bus.close()

    run(test)


def test_a_long_path_is_shortened(tmp_path: Path) -> None:
    """Where a path is too long for a socket, a shorter one elsewhere stands for it, the same for everybody."""
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    bell = bell_directory(folder / "db")
    assert len(str(bell)) + 20 <= PATH_BYTES_MAX
    assert bell != bell_directory(folder / "other")

    async def test() -> None:
        bus, other = LocalBus(folder / "db"), LocalBus(folder / "db")
        await bus.open()
        await other.open()
        listening = Listening(other)
        bus.ring([RUNS])
        assert await listening.wait() == {RUNS}
        await other.close()
        await bus.close()

    run(test)
    assert not bell.exists()


def test_without_sockets_it_rings_inside(tmp_path: Path) -> None:
    """Where no socket can be made, the process still hears itself."""

    async def test() -> None:
        (tmp_path / "db-bell").write_text("in the way")
        bus = LocalBus(tmp_path / "db")
        await bus.open()
        listening = Listening(bus)
        bus.ring([RUNS])
        assert await listening.wait() == {RUNS}
        await bus.close()

    run(test)


def test_a_listener_that_fails_does_not_silence_others() -> None:
    """An error in one listener is reported to the loop, and the others are called."""

    async def test() -> None:
        reported = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context["exception"]))
        bus = LocalBus()
        await bus.open()

        def fail(_topics: frozenset[str]) -> None:
            raise ValueError("on purpose")

        bus.listen(fail)
        listening = Listening(bus)
        bus.ring([RUNS])
        assert await listening.wait() == {RUNS}
        assert [str(error) for error in reported] == ["on purpose"]
        await bus.close()

    run(test)
