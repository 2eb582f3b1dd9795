"""A store that is opened to be read changes nothing, and sees what others write."""

from __future__ import annotations

import asyncio
from pathlib import Path

import apsw
import pytest

from holdfast.errors import SchemaError, StoreError
from holdfast.ports.operations import MarkCaptured
from holdfast.stores import SQLiteStore, SystemClock
from holdfast.testing.conformance.store.harness import do, start


def contents(folder: Path) -> dict[str, bytes]:
    """Return what is in the files of a folder, but for the index that all who read share."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.suffix != ".db-shm"}


def opened(path: Path, *, read_only: bool = False) -> SQLiteStore:
    """Return a store."""
    return SQLiteStore(path, clock=SystemClock(), read_only=read_only)


def test_reading_changes_nothing_and_sees_everything(tmp_path: Path) -> None:
    """Beside a writer: its commits are seen, writing is refused, and no byte of any file is another afterwards."""

    async def body() -> None:
        writer, reader = opened(tmp_path / "holdfast.db"), opened(tmp_path / "holdfast.db", read_only=True)
        await writer.open()
        await do(writer, start("a"))
        before = contents(tmp_path)
        await reader.open()
        found, _ = await reader.runs()
        assert [each.run_id for each in found] == ["a"]
        assert len(await reader.pages(found[0].execution_id)) == 1
        with pytest.raises(StoreError, match="read only"):
            await reader.write([MarkCaptured()])
        assert contents(tmp_path) == before
        await do(writer, start("b"))
        assert len((await reader.runs())[0]) == 2
        await reader.close()
        await writer.close()

    asyncio.run(body())


def test_a_store_nobody_has_open_is_read(tmp_path: Path) -> None:
    """Also one that was closed in good order, and its database stays as it is."""

    async def body() -> None:
        writer = opened(tmp_path / "holdfast.db")
        await writer.open()
        await do(writer, start("a"))
        await writer.close()
        before = (tmp_path / "holdfast.db").read_bytes()
        reader = opened(tmp_path / "holdfast.db", read_only=True)
        await reader.open()
        assert len((await reader.runs())[0]) == 1
        await reader.close()
        assert (tmp_path / "holdfast.db").read_bytes() == before

    asyncio.run(body())


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    """No file, a file of somebody else, a store that is older than the program: none is made, none is mended."""

    async def refused(path: Path) -> StoreError:
        with pytest.raises(StoreError) as caught:
            await opened(path, read_only=True).open()
        return caught.value

    async def body() -> None:
        assert "there is no store" in str(await refused(tmp_path / "none.db"))
        assert not (tmp_path / "none.db").exists()
        other = apsw.Connection(str(tmp_path / "other.db"))
        other.execute("CREATE TABLE t (x)")
        other.close()
        assert "no store" in str(await refused(tmp_path / "other.db"))
        writer = opened(tmp_path / "old.db")
        await writer.open()
        await writer.close()
        old = apsw.Connection(str(tmp_path / "old.db"))
        old.execute("DELETE FROM migrations WHERE number = (SELECT max(number) FROM migrations)")
        old.close()
        error = await refused(tmp_path / "old.db")
        assert isinstance(error, SchemaError)
        assert "older than this program" in str(error)

    asyncio.run(body())
