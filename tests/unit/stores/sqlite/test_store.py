"""The store as a whole: what is committed, when, and what is said when it cannot be."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import apsw
import pytest

from holdfast.errors import FencedError, RunConflictError, StoreBusyError, StoreError, StoreFullError
from holdfast.history import verify_chain
from holdfast.ports.bus import CLOSED, MAIL, RUNS
from holdfast.ports.operations import Append, ClaimRuns, Deliver, Join, Membership, Reap, StartRun
from holdfast.stores.sqlite import SQLiteStore, connection, head, verify, write
from tests.unit.stores.sqlite.keeper import Author, WallClock, opened, second


def run(test: Callable[[], Awaitable[object]]) -> None:
    """Run an async test."""
    asyncio.run(test())  # type: ignore[arg-type]  # a test is a coroutine function


class Bell:
    """A bus that remembers."""

    def __init__(self) -> None:
        self.rung: list[set[str]] = []

    def ring(self, topics: Iterable[str]) -> None:
        """Remember `topics`."""
        self.rung.append(set(topics))

    def listen(self, _listener: Any) -> Callable[[], None]:
        """Do nothing."""
        return lambda: None

    async def open(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""


def commits(path: Path) -> int:
    """Return the number of the newest commit, as the side file says."""
    newest = head.read(Path(f"{path}-head"))
    return 0 if newest is None else newest.commit_number


def size_of_log(path: Path) -> int:
    """Return how large the write-ahead log is."""
    return Path(f"{path}-wal").stat().st_size


def files(folder: Path) -> list[str]:
    """Return the names of the files in a folder."""
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def test_looking_in_vain_commits_nothing(tmp_path: Path) -> None:
    """Claims, reaps and refused starts that change nothing leave no commit behind."""

    async def test() -> None:
        async with opened(tmp_path / "db") as store:
            author = Author(store)
            member = await author.join()
            await author.start("a")
            before, log = commits(tmp_path / "db"), size_of_log(tmp_path / "db")
            conflict = StartRun("a", "other", b"", author.pages["a"][0])
            results = await store.write([ClaimRuns(("V",), 5), Reap(3), conflict], member)
            assert isinstance(results[2], RunConflictError)
            assert (commits(tmp_path / "db"), size_of_log(tmp_path / "db")) == (before, log)
            await author.append("a")
            assert commits(tmp_path / "db") == before + 1

    run(test)


def test_what_fails_half_way_is_undone(tmp_path: Path) -> None:
    """An error that is no refusal undoes the whole write, and the next one finds everything as it was."""

    async def test() -> None:
        async with opened(tmp_path / "db") as store:
            author = Author(store)
            await author.join()
            await author.start("a", "b")
            good = author.next("a")
            broken = Deliver("a", "signal", "n", None, "op")  # type: ignore[arg-type]  # a planted error
            with pytest.raises(StoreError):
                await store.write([good, broken], author.membership)
            with pytest.raises(KeyError):
                await store.write([author.next("b"), object()], author.membership)  # type: ignore[list-item]  # as above
            author.pages["b"].pop()
            assert await store.write([good, author.next("b")], author.membership) == [True, True]
            for run_id in "ab":
                pages = await store.pages(author.ids[run_id])
                assert pages == author.pages[run_id]
                verify_chain(pages)
        assert verify(tmp_path / "db").ok

    run(test)


def test_a_wrong_memory_is_found_and_forgotten(tmp_path: Path) -> None:
    """Were what a store object remembers ever wrong, the tip of the history would refuse, and nothing be lost."""

    async def test() -> None:
        async with opened(tmp_path / "db") as store:
            author = Author(store)
            member = await author.join()
            await author.start("a", "b")
            await author.append("a", "b")
            writer = store._writer
            assert writer is not None
            held = writer._log._members[member.member]
            for wrong in ((1, 1), (7, 7)):
                held.last[author.ids["a"]] = wrong
                stale = author.pages["a"][wrong[0] if wrong[0] == 1 else -1]
                operations: list[Any] = [author.next("b"), Append(author.ids["a"], stale)]
                results = await store.write(operations, member)
                assert results[0] is True
                assert isinstance(results[1], FencedError)
                held = writer._log._members[member.member]
            await author.append("a", "b")
        assert verify(tmp_path / "db").ok

    run(test)


def test_the_bell_rings_after_the_commit(tmp_path: Path) -> None:
    """New runs, mail and ends are rung once a write, and a write that is refused rings nothing."""

    async def test() -> None:
        bell = Bell()
        async with opened(tmp_path / "db", bus=bell) as store:
            author = Author(store)
            member = await author.join()
            await author.start("own")
            assert bell.rung == [], "an own run is nobody else's business"
            first = author.pages["own"][0]
            await store.write([StartRun("free", "W", b"", first), StartRun("more", "W", b"", first)])
            await store.write([Deliver("own", "signal", "n", b"", "1"), Deliver("none", "signal", "n", b"", "1")])
            await store.write([Deliver("none", "signal", "n", b"", "1")])
            closing = author.next("own", closing=True)
            await store.write([closing], member)
            await store.write(
                [Append(closing.execution_id, closing.page, closing=closing.closing, inbox_read=99)], member
            )
            assert bell.rung == [{RUNS}, {MAIL}, {CLOSED}]

    run(test)


def test_a_lost_lease_is_counted_in_its_own_transaction(tmp_path: Path) -> None:
    """A write by nobody changes nothing but the count."""

    async def test() -> None:
        async with opened(tmp_path / "db") as store:
            author = Author(store)
            member = await author.join()
            await author.start("a")
            for stranger in (Membership(member.member, member.epoch + 1), Membership(999, 1)):
                with pytest.raises(FencedError):
                    await store.write([Join("x", "stack", "h", 1, 1.0)], stranger)
            with pytest.raises(FencedError, match="without"):
                raise (await store.write([ClaimRuns(("W",), 1)]))[0]
            assert (await store.totals()).refused_writes == 3
            assert [record.refused for record in await store.members()] == [1]
        assert verify(tmp_path / "db").ok

    run(test)


def test_a_full_disk_is_refused_before_it_is_full(tmp_path: Path) -> None:
    """With too little space left nothing is opened and nothing is written, and work goes on when there is room."""

    async def test() -> None:
        store = SQLiteStore(tmp_path / "db", clock=WallClock(), free_bytes_min=2**60)
        with pytest.raises(StoreFullError, match="free_bytes_min"):
            await store.open()
        assert files(tmp_path) == []
        async with opened(tmp_path / "db") as store:
            author = Author(store)
            await author.join()
            await author.start("a")
            writer = store._writer
            assert writer is not None
            writer.free_bytes_min = 2**60
            written = 0
            while writer._unchecked:  # the next look is some writes ahead
                await author.append("a")
                written += 1
            assert written < write.SPACE_CHECKED_EVERY
            append = author.next("a")
            for _ in range(2):
                with pytest.raises(StoreFullError):
                    await store.write([append], author.membership)
            writer.free_bytes_min = 0
            assert await store.write([append], author.membership) == [True]
            assert len(await store.pages(author.ids["a"])) == written + 2

    run(test)


def test_errors_of_the_library_have_names() -> None:
    """What SQLite says is told in the words of the error tree."""
    path = Path("x.db")
    for error, kind in (
        (apsw.FullError("full"), StoreFullError),
        (apsw.BusyError("busy"), StoreBusyError),
        (apsw.IOError("disk"), StoreError),
    ):
        assert type(connection.translate(error, path)) is kind
        assert "x.db" in connection.translate(error, path).message()


def test_a_file_locked_by_another_program_is_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell that holds SQLite's own lock is an error that says so, and nothing is lost."""
    monkeypatch.setattr(connection, "FOREIGN_BUSY_MILLISECONDS", 20)

    async def test() -> None:
        async with opened(tmp_path / "db") as store:
            shell = apsw.Connection(str(tmp_path / "db"))
            shell.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreBusyError, match="not Holdfast"):
                await Author(store).join()
            shell.close()
            await Author(store).join()

    run(test)


def test_a_store_that_is_not_open_says_so(tmp_path: Path) -> None:
    """Reading and writing before and after is an error with a remedy; opening and closing twice is none."""

    async def test() -> None:
        store = SQLiteStore(tmp_path / "db", clock=WallClock())
        await store.close()
        for _ in range(2):
            with pytest.raises(StoreError, match="is not open"):
                await store.write([Reap(1)])
            with pytest.raises(StoreError, match="is not open"):
                await store.run("a")
            await store.open()
            await store.open()
            await Author(store).join()
            await store.close()
            await store.close()
        with pytest.raises(StoreError, match="there is no directory"):
            await SQLiteStore(tmp_path / "no" / "db", clock=WallClock()).open()
        (tmp_path / "folder").mkdir()
        with pytest.raises(StoreError):
            await SQLiteStore(tmp_path / "folder", clock=WallClock()).open()

    run(test)


def test_the_last_to_close_leaves_one_file(tmp_path: Path) -> None:
    """While somebody has the store open the log stays; after the last one everything is in one file."""

    async def test() -> None:
        async with opened(tmp_path / "db") as store:
            author = Author(store)
            await author.join()
            async with opened(tmp_path / "db"):
                await author.start("a")
            assert (tmp_path / "db-wal").stat().st_size > 0
            await author.append("a")
        assert files(tmp_path) == ["db", "db-head", "db-next", "db-turn"]

    run(test)


def test_the_log_is_moved_into_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The write-ahead log does not grow for ever, whoever writes; while the file is copied it may."""
    monkeypatch.setattr(write, "CHECKPOINT_PAGES", 50)

    async def test() -> None:
        async with opened(tmp_path / "db", synchronous="NORMAL") as store:
            author = Author(store)
            await author.join()
            await author.start("a")
            size = 0
            for turn in range(200):
                await author.append("a", reason="x" * 5_000)
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                if turn == 100:
                    size = (tmp_path / "db-wal").stat().st_size
            assert (tmp_path / "db-wal").stat().st_size == size < 120 * 4_120
            with head.standing_still(tmp_path / "db-head"):
                before = (tmp_path / "db").read_bytes()
                for _ in range(100):
                    await author.append("a", reason="x" * 5_000)
                    await asyncio.sleep(0)
                    await asyncio.sleep(0)
                assert (tmp_path / "db").read_bytes() == before
            assert (tmp_path / "db-wal").stat().st_size > size
        assert verify(tmp_path / "db").ok

    run(test)


def test_processes_share_one_store(tmp_path: Path) -> None:
    """Two processes that write flat out both get on, and together leave one whole store."""

    async def test() -> None:
        path = tmp_path / "db"
        async with (
            opened(path) as store,
            second("write_flat_out", path, 5) as one,
            second("write_flat_out", path, 5) as two,
        ):
            author = Author(store)
            await author.join()
            await author.start("mine")
            for _ in range(10):
                assert await one.line()
                assert await two.line()
                await author.append("mine")
            one.kill()
            two.kill()
            assert await one.rest() is not None
            assert await two.rest() is not None
            await author.append("mine")
            assert len(await store.pages(author.ids["mine"])) == 12
        report = verify(path)
        assert report.ok, report.problems
        assert report.executions == 11

    run(test)


def test_time_is_the_same_for_all_who_share_the_file(tmp_path: Path) -> None:
    """A store object whose own clock is behind sees the time that others have written."""

    class Clock:
        def __init__(self, time: float) -> None:
            self.time = time

        def now(self) -> float:
            return self.time

    async def test() -> None:
        async with (
            opened(tmp_path / "db", clock=Clock(5_000.0)) as ahead,
            opened(tmp_path / "db", clock=Clock(10.0)) as behind,
        ):
            await Author(ahead).join()
            assert await behind.now() == 5_000.0
            await Author(behind).join()
            assert {record.joined_at for record in await behind.members()} == {5_000.0}

    run(test)
