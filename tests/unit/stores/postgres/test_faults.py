"""Whatever happens to server, connections and answers: what was acknowledged is there, and it is there once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress

import asyncpg
import pytest

from holdfast import Holdfast
from holdfast.errors import HoldfastError
from holdfast.ports.operations import Append, ClaimTasks, Delivered, FinishTask, Membership, QueueTask
from holdfast.ports.store import Store
from holdfast.stores import PostgresStore, migrate
from holdfast.stores.postgres import connection, write
from holdfast.stores.postgres.locks import schema_lock
from holdfast.testing.conformance.store.harness import do, join, own, signal, start
from tests.conformance.postgres import database_of
from tests.logbook import Logbook, logbook
from tests.servers.postgres import Postgres
from tests.servers.proxy import Fate, Proxy

SEED = 11


def through(dsn: str, proxy: Proxy) -> str:
    """Return the address of the same store behind a proxy."""
    head, _, tail = dsn.rpartition("@127.0.0.1:")
    return f"{head}@127.0.0.1:{proxy.port}/{tail.partition('/')[2]}"


def port_of(dsn: str) -> int:
    """Return the port of an address."""
    return int(dsn.rpartition(":")[2].partition("/")[0])


def test_lost_answers_lose_nothing_and_double_nothing(dsn: str) -> None:
    """One commit in ten is answered by silence, or never arrives; every write is there once, with its own result."""
    dice = random.Random(SEED)

    def cast() -> Fate:
        number = dice.random()
        return Fate.SWALLOW if number < 0.05 else Fate.LOSE if number < 0.1 else Fate.PASS

    async def run() -> None:
        async with Proxy("127.0.0.1", port_of(dsn), cast) as proxy:
            store, direct = PostgresStore(through(dsn, proxy)), PostgresStore(dsn)
            await store.open()
            await direct.open()
            member = await join(store)
            executions = {}
            for number in range(60):
                execution, history = await own(store, member, f"r{number}")
                queued = QueueTask("t#1", "t", b"", "p", 0, b"")
                await do(store, Append(execution, history.keep(history.page()), queue=(queued,)), member)
                first: Delivered = await do(store, signal(f"r{number}"))
                assert await do(direct, signal(f"r{number}")) == first
                (claimed,) = await do(store, ClaimTasks((("p", 1),), ("t",)), member)
                assert await do(store, FinishTask(claimed.task_id, claimed.token, b"done", execution, "t#1"), member)
                executions[execution] = history
            assert proxy.counts[Fate.SWALLOW] > 5
            assert proxy.counts[Fate.LOSE] > 5
            for execution, history in executions.items():
                assert await direct.pages(execution) == history.pages
                assert [row.kind for row in await direct.execution_inbox(execution)] == ["signal", "outcome"]
                assert await direct.queue(execution) == []
            assert (await direct.totals()).runs == {"RUNNING": 60}
            await store.close()
            await direct.close()

    asyncio.run(run())


@pytest.mark.parametrize("fault", ["restart", "kill9"])
def test_a_server_that_goes_and_comes_back(postgres_server: Postgres, postgres_dsn: str, fault: str) -> None:
    """Writes and reads under way go on as if nothing had been, and nothing that was acknowledged is missing."""

    async def run() -> None:
        await migrate(postgres_dsn)  # a store of its own, that does not answer before the disk does
        async with _store(postgres_dsn) as store:
            member = await join(store)
            stopping = asyncio.Event()
            started: list[str] = []

            async def write_on() -> None:
                while not stopping.is_set():
                    run_id = f"r{len(started)}"
                    await do(store, start(run_id, own=True), member)
                    started.append(run_id)

            async def read_on() -> None:
                while not stopping.is_set():
                    assert (await store.totals()).runs.get("RUNNING", 0) >= 0

            async with asyncio.TaskGroup() as group:
                group.create_task(write_on())
                group.create_task(read_on())
                await _until(lambda: len(started) >= 5)
                await asyncio.to_thread(_hit, postgres_server, fault)
                before = len(started)
                await _until(lambda: len(started) >= before + 5)
                stopping.set()
            assert (await store.totals()).runs == {"RUNNING": len(started)}
            assert [run.run_id for run in (await store.runs(limit=1000))[0]] == started[::-1]

    asyncio.run(run())


def test_an_outage_is_told_once(postgres_server: Postgres, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything in a process fails again and again: the log has a line when it begins, and one when it is over."""
    monkeypatch.setattr(connection, "_DELAY_MAX", 0.1)
    monkeypatch.setitem(PostgresStore.__init__.__kwdefaults__, "patience_seconds", 0.5)

    async def run(book: Logbook) -> None:
        async with Holdfast(definitions=[], store=dsn, bus="polling", poll_seconds=0.1) as app:
            await asyncio.to_thread(postgres_server.kill9)
            failing = [asyncio.create_task(fail(app.stack.store)) for _ in range(3)]
            await asyncio.gather(*failing)
            await _until(lambda: any("cannot be reached" in each.get("error", "") for each in book.lines))
            assert not book.of("the server is back")
            await asyncio.to_thread(postgres_server.start)
            await _until(lambda: bool(book.of("the server is back")))

    async def fail(store: Store) -> None:
        with pytest.raises(HoldfastError, match="cannot be reached") as caught:
            await store.totals()
        assert getattr(caught.value, "is_told", False)

    with logbook(monkeypatch) as book, ExitStack() as stack:
        stack.callback(postgres_server.start)
        asyncio.run(run(book))
        stack.pop_all()
    warnings = [each for each in book.lines if each["level"] == "warning" and "error" in each]
    assert [each["event"] for each in warnings] == ["waiting for the server"], warnings
    assert len(book.of("the server is back")) == 1


def test_a_writer_that_stands_still_holds_nobody_up_for_long(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server ends the transaction of a process that was stopped in the middle; what that writes late is refused."""
    monkeypatch.setattr(connection, "IDLE_SECONDS_MAX", 0.2)

    async def run() -> None:
        async with _store(dsn) as store:
            frozen = await connection.connect(store.address)
            await frozen.execute(f"BEGIN; SELECT pg_advisory_xact_lock({schema_lock('holdfast')})")
            member = await join(store)  # waits for the lock
            assert member.member > 0
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
                await frozen.execute("COMMIT")
            frozen.terminate()

    asyncio.run(run())


def test_a_write_that_is_cancelled_leaves_nothing_in_the_way(dsn: str) -> None:
    """Wherever a write is cancelled, the next one goes through, and it was carried out wholly or not at all."""

    async def run() -> None:
        async with _store(dsn) as store:
            member = await join(store)
            for steps in range(40):
                writing = asyncio.create_task(store.write([start(f"a{steps}"), start(f"b{steps}")], member))
                for _ in range(steps):
                    await asyncio.sleep(0)
                writing.cancel()
                with suppress(asyncio.CancelledError):
                    await writing
            await do(store, start("last"), member)
            runs = {run.run_id for run in (await store.runs(limit=1000))[0]}
            assert all((f"a{steps}" in runs) == (f"b{steps}" in runs) for steps in range(40))
            assert "last" in runs

    asyncio.run(run())


def test_a_full_disk_is_named(dsn: str, postgres_server: Postgres) -> None:
    """What the server says of its disk becomes the error that says so, and the next write goes through."""
    database = database_of(dsn)
    postgres_server.run(
        "CREATE FUNCTION holdfast.full_disk() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END$$; "
        "CREATE TRIGGER full_disk BEFORE INSERT ON holdfast.memos EXECUTE FUNCTION holdfast.full_disk()",
        database,
    )

    async def run() -> None:
        async with _store(dsn) as store:
            run_with_memo = start("a")
            with pytest.raises(HoldfastError, match="disk of the server is full"):
                await store.write([type(run_with_memo)("a", "W", b"i", run_with_memo.page, memo=b"m")])
            await do(store, start("b"))
            assert await store.run("a") is None

    try:
        asyncio.run(run())
    finally:
        postgres_server.run("DROP FUNCTION holdfast.full_disk CASCADE", database)


def test_a_refused_write_is_counted(dsn: str) -> None:
    """A member that was declared dead is refused, and the refusal is on record, for it and for the store."""

    async def run() -> None:
        async with _store(dsn) as store:
            dead = Membership(4711, 1)
            with pytest.raises(HoldfastError, match="4711"):
                await store.write([start("a", own=True)], dead)
            assert (await store.totals()).refused_writes == 1
            assert await store.run("a") is None

    asyncio.run(run())


def test_a_mark_is_left_by_writes_and_swept(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking in vain leaves nothing behind; what writes left goes after a while, but for the newest."""
    monkeypatch.setattr(write, "MARKS_SWEPT_SECONDS", -1.0)
    monkeypatch.setattr(write, "MARKS_KEPT_SECONDS", 10.0)

    class Clock:
        time = 1_000.0

        def now(self) -> float:
            return self.time

    async def run() -> None:
        clock = Clock()
        store = PostgresStore(dsn, clock=clock)
        await store.open()
        member = await join(store)
        for _ in range(3):
            assert await do(store, ClaimTasks((("p", 1),), ("t",)), member) == ()
        assert await _marks(dsn) == [1_000.0]
        clock.time += 100.0
        await do(store, start("a"))
        await do(store, start("b"))
        assert await _marks(dsn) == [1_100.0, 1_100.0]
        await store.close()

    asyncio.run(run())


async def _marks(dsn: str) -> list[float]:
    direct = await asyncpg.connect(dsn.partition("?")[0])
    try:
        return [row[0] for row in await direct.fetch("SELECT at FROM holdfast.marks ORDER BY at")]
    finally:
        await direct.close()


class _store:  # noqa: N801 - used as a function
    """A store, open inside."""

    def __init__(self, dsn: str) -> None:
        self._store = PostgresStore(dsn)

    async def __aenter__(self) -> PostgresStore:
        await self._store.open()
        return self._store

    async def __aexit__(self, *_: object) -> None:
        await self._store.close()


def _hit(server: Postgres, fault: str) -> None:
    if fault == "kill9":
        server.kill9()
        server.start()
    else:
        server.restart()


async def _until(condition: Callable[[], bool], look: Callable[[], Awaitable[None]] = lambda: asyncio.sleep(0)) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(60):
        while not condition():
            await look()
