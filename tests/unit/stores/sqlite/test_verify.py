"""`verify` finds what was changed, moved or lost behind the store's back, and nothing where nothing was."""

from __future__ import annotations

import asyncio
import random
import shutil
import struct
from collections.abc import Callable, Iterable
from pathlib import Path

import apsw
import pytest

from holdfast.errors import HoldfastWarning, StoreError
from holdfast.stores.sqlite import SQLiteStore, VerifyReport, head, verify
from holdfast.stores.sqlite.verify import CHECKS
from tests.unit.stores.sqlite.keeper import Author, WallClock, opened

RUNS = 12
ROUNDS = 20
FRAME_BYTES, PAGE_BYTES, LOG_HEADER_BYTES = 24 + 4096, 4096, 32


async def fill(store_path: Path, copy_to: Path | None = None) -> None:
    """Write histories of all shapes; copy the files while the store is open, its log full of live frames."""
    async with opened(store_path):
        pass  # makes the file
    async with opened(store_path, synchronous="NORMAL") as store:
        author = Author(store)
        await author.join()
        names = [f"run-{number}" for number in range(RUNS)]
        await author.start(*names)
        for turn in range(ROUNDS):
            await author.append(*names[turn % 5 :], reason=f"reason {turn} " * (turn % 7))
        await author.append(names[0], payload=random.Random(1).randbytes(9_000))
        await author.append(*names[:4], closing=True, reason="over")
        if copy_to is not None:
            for suffix in ("", "-wal", "-head"):
                shutil.copyfile(f"{store_path}{suffix}", f"{copy_to}{suffix}")


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store that was closed: one file and its side file."""
    path = tmp_path_factory.mktemp("closed") / "db"
    asyncio.run(fill(path))
    assert not path.with_name("db-wal").exists()
    return path


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the copy of a store in use, all of whose commits are in its log."""
    folder = tmp_path_factory.mktemp("live")
    asyncio.run(fill(folder / "original", folder / "db"))
    return folder / "db"


def copied(path: Path, folder: Path) -> Path:
    """Return a copy of a store, to be damaged."""
    for suffix in ("", "-wal", "-head"):
        if Path(f"{path}{suffix}").exists():
            shutil.copyfile(f"{path}{suffix}", folder / f"db{suffix}")
    return folder / "db"


def flip(path: Path, bit: int) -> None:
    """Flip one bit of a file."""
    with path.open("r+b") as file:
        file.seek(bit // 8)
        byte = file.read(1)[0] ^ 1 << bit % 8
        file.seek(bit // 8)
        file.write(bytes([byte]))


def event_regions(path: Path) -> list[tuple[int, int]]:
    """Return (offset, length) of every row of `events` in the file: its size, number, header and values."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    pages = connection.execute("SELECT pageno FROM dbstat WHERE name = 'events' AND pagetype = 'leaf'").fetchall()
    (rows,) = connection.execute("SELECT count(*) FROM events").fetchone()
    connection.close()
    content = path.read_bytes()
    regions = []
    for (number,) in pages:
        page = content[(number - 1) * PAGE_BYTES : number * PAGE_BYTES]
        assert page[0] == 0x0D
        for cell in struct.unpack_from(f">{int.from_bytes(page[3:5])}H", page, 8):
            size, after_size = varint(page, cell)
            _, start = varint(page, after_size)
            assert start + size <= PAGE_BYTES, "the row spills over several pages"
            regions.append(((number - 1) * PAGE_BYTES + cell, start + size - cell))
    assert len(regions) == rows
    return regions


def varint(page: bytes, at: int) -> tuple[int, int]:
    """Return a number in SQLite's form, and where it ends."""
    value = 0
    while page[at] & 0x80:
        value = value << 7 | page[at] & 0x7F
        at += 1
    return value << 7 | page[at], at + 1


def unharmed(report: VerifyReport) -> bool:
    """Say whether a report has nothing to say at all."""
    return report.ok and not report.notes


def test_a_store_that_is_whole_is_whole(closed: Path, live: Path) -> None:
    """A store nobody touched has no problems, open or closed, and the figures are right."""
    for path in (closed, live):
        before = {file: file.read_bytes() for file in path.parent.rglob("*") if file.is_file()}
        report = verify(path)
        assert unharmed(report), (report.problems, report.notes)
        assert report.executions == RUNS
        assert report.pages >= RUNS * (ROUNDS - 4)
        assert report.events == report.pages + 1
        assert report.payloads == 1
        assert "inbox" in report.uncovered
        assert {file: file.read_bytes() for file in path.parent.rglob("*") if file.is_file()} == before, (
            "the check changed something"
        )


def test_a_store_in_use_is_whole(tmp_path: Path) -> None:
    """A store is checked while it is written, again and again, and neither disturbs the other."""

    async def run() -> None:
        async with opened(tmp_path / "db", synchronous="NORMAL") as store:
            author = Author(store)
            await author.join()
            await author.start("a", "b")
            checking = asyncio.gather(*(asyncio.to_thread(verify, tmp_path / "db") for _ in range(3)))
            while not checking.done():
                await author.append("a", "b", reason="x" * 3_000)
                await asyncio.sleep(0)
            for report in await checking:
                assert unharmed(report), (report.problems, report.notes)

    asyncio.run(run())


@pytest.mark.parametrize("part", range(4))
def test_every_bit_flipped_in_an_event_is_found(part: int, closed: Path, tmp_path: Path) -> None:
    """Of 200 random bits flipped in rows of events, one at a time, all are found; by SQLite's own check, few."""
    chance = random.Random(part)
    path = copied(closed, tmp_path)
    regions = event_regions(path)
    unnoticed = 0
    for _ in range(50):
        offset, length = chance.choice(regions)
        bit = chance.randrange(offset * 8, (offset + length) * 8)
        flip(path, bit)
        assert not verify(path).ok, f"bit {bit} was flipped and nothing was found"
        unnoticed += verify(path, checks=["structure"]).ok
        flip(path, bit)
    assert unharmed(verify(path))
    assert unnoticed > 30, "without the chains most of them would not have been found"


def live_frames(log: Path) -> int:
    """Return how many frames of a log belong to its newest generation."""
    content = log.read_bytes()
    salts = content[16:24]
    frames = range(LOG_HEADER_BYTES, len(content), FRAME_BYTES)
    return sum(content[at + 8 : at + 16] == salts for at in frames)


def test_every_bit_flipped_in_the_log_is_found(live: Path, tmp_path: Path) -> None:
    """Of 50 random bits flipped in live frames of the log, one at a time, all are found; SQLite itself finds none."""
    chance = random.Random(5)
    path = copied(live, tmp_path)
    log = tmp_path / "db-wal"
    end = LOG_HEADER_BYTES + live_frames(log) * FRAME_BYTES
    unnoticed = 0
    for number in range(50):
        bit = chance.randrange(
            (LOG_HEADER_BYTES if number % 5 else 0) * 8, end * 8 if number % 5 else LOG_HEADER_BYTES * 8
        )
        flip(log, bit)
        assert not verify(path).ok, f"bit {bit} was flipped and nothing was found"
        unnoticed += verify(path, checks=["structure"]).ok
        flip(log, bit)
    assert unharmed(verify(path))
    assert unnoticed > 40, "without the side file most of them would not have been found"


def change(*statements: str) -> Callable[[Path], None]:
    """Return what runs `statements` on a store, as somebody would by hand."""

    def run(path: Path) -> None:
        connection = apsw.Connection(str(path))
        for statement in statements:
            connection.execute(statement)
            assert connection.changes()
        connection.close()

    return run


def shorten_log(path: Path) -> None:
    """Cut the last frames off the log."""
    log = path.with_name("db-wal")
    with log.open("r+b") as file:
        file.truncate(LOG_HEADER_BYTES + (live_frames(log) - 3) * FRAME_BYTES)


def drop_log(path: Path) -> None:
    """Remove the log."""
    path.with_name("db-wal").unlink()


DAMAGES: dict[str, tuple[str, Iterable[str], Callable[[Path], None]]] = {
    "a body": ("closed", {"pages"}, change("UPDATE events SET body = CAST(body || x'00' AS BLOB) WHERE seq = 30")),
    "a body, with its hash": (
        "closed",
        {"pages", "commits"},
        change("UPDATE events SET body = (SELECT body FROM events WHERE seq = 3), hash = x'00' WHERE seq = 30"),
    ),
    "a page less": ("closed", {"pages", "commits"}, change("DELETE FROM events WHERE seq = 30")),
    "the last page of a run less": (
        "closed",
        {"pages", "commits"},
        change("DELETE FROM events WHERE seq = (SELECT seq FROM tips WHERE execution = 8)"),
    ),
    "the last page of a run less, and its tip": (
        "closed",
        {"commits"},
        change(
            "UPDATE tips SET last = last - 1, seq = (SELECT previous FROM events AS e WHERE e.seq = tips.seq)"
            " WHERE execution = 8",
            "DELETE FROM events WHERE execution = 8 AND seq > (SELECT seq FROM tips WHERE execution = 8)",
        ),
    ),
    "a run less": (
        "closed",
        {"commits"},
        change("DELETE FROM events WHERE execution = 5", "DELETE FROM executions WHERE id = 5"),
    ),
    "an execution's history less": ("closed", {"pages", "commits"}, change("DELETE FROM events WHERE execution = 5")),
    "an execution's row less": ("closed", {"pages"}, change("DELETE FROM executions WHERE id = 5")),
    "a page twice": (
        "closed",
        {"pages", "commits"},
        change(
            "INSERT INTO events SELECT 10000, previous, execution, first, last, commit_number, body, hash"
            " FROM events WHERE seq = 30"
        ),
    ),
    "a page of another run": ("closed", {"pages"}, change("UPDATE events SET execution = 6 WHERE seq = 30")),
    "a page of another commit": (
        "closed",
        {"commits"},
        change("UPDATE events SET commit_number = commit_number + 1 WHERE seq = 30"),
    ),
    "a tip": ("closed", {"pages"}, change("UPDATE tips SET seq = seq - 12 WHERE execution = 8")),
    "the head": ("closed", {"commits"}, change("UPDATE meta SET head = zeroblob(16)")),
    "a payload": ("closed", {"payloads"}, change("UPDATE blobs SET content = CAST(content || x'00' AS BLOB)")),
    "a payload less": ("closed", {"pages"}, change("DELETE FROM blobs")),
    "the end of the log": ("live", {"tail"}, shorten_log),
    "the log": ("live", {"tail"}, drop_log),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_by_its_check(name: str, closed: Path, live: Path, tmp_path: Path) -> None:
    """Each kind of damage is found, and not found when the checks that are there for it are left out."""
    which, found_by, damage = DAMAGES[name]
    path = copied({"closed": closed, "live": live}[which], tmp_path)
    damage(path)
    report = verify(path)
    assert not report.ok
    assert report.problem_count >= len(report.problems) > 0
    others = [check for check in CHECKS if check not in found_by]
    assert verify(path, checks=others).ok, "it was found by a check that is not there for it"


def test_a_lost_tail_stays_known(live: Path, tmp_path: Path) -> None:
    """A store that lost commits says so when it is opened, and `verify` still finds it after new commits."""
    path = copied(live, tmp_path)
    shorten_log(path)

    async def run() -> None:
        store = SQLiteStore(path, clock=WallClock())
        with pytest.warns(HoldfastWarning, match="has lost its last"):
            await store.open()
        for _ in range(40):
            await Author(store).join()
        await store.close()
        async with opened(path):
            pass  # says nothing any more

    asyncio.run(run())
    report = verify(path)
    assert [problem for problem in report.problems if "was opened with" in problem] == report.problems


def test_a_side_file_that_is_behind_is_no_damage(closed: Path, tmp_path: Path) -> None:
    """After a power failure the side file may be old, damaged or gone: that is a note at most."""
    path = copied(closed, tmp_path)
    side_file = tmp_path / "db-head"
    newest = head.read(side_file)
    assert newest is not None
    side_file.write_bytes(head.encode(0, bytes(16)))
    assert unharmed(verify(path))
    for content in (b"", b"\0" * 32, side_file.read_bytes()[:-1]):
        side_file.write_bytes(content)
        report = verify(path)
        assert report.ok
        assert report.notes
    side_file.unlink()
    assert verify(path).notes
    # One that names a commit that never was, is.
    side_file.write_bytes(head.encode(newest.commit_number, bytes(16)))
    assert not verify(path).ok


def test_what_is_no_store_is_said_so(tmp_path: Path) -> None:
    """A missing file is an error, one that is no database a problem."""
    with pytest.raises(StoreError, match="there is no store"):
        verify(tmp_path / "nothing")
    (tmp_path / "text").write_text("not a database " * 1_000)
    assert not verify(tmp_path / "text").ok
    (tmp_path / "empty").write_bytes(b"")
    assert not verify(tmp_path / "empty").ok


def test_a_record_of_the_side_file_is_checked() -> None:
    """A flipped bit anywhere in the side file's record is noticed."""
    record = head.encode(77, b"h" * 16)
    assert head.decode(record) == (77, b"h" * 16)
    for bit in range(len(record) * 8):
        damaged = bytearray(record)
        damaged[bit // 8] ^= 1 << bit % 8
        assert head.decode(bytes(damaged)) is None
    assert struct.unpack(">q", record[:8]) == (77,)
