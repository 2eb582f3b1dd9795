"""What is PostgreSQL's own about the store: beats from beside, changes in order, group commit, a pooler in between."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import asyncpg
import pytest

from holdfast.errors import HoldfastWarning
from holdfast.ports.operations import COMPLETED, Append, Closing, Join, Leave, Membership, Position
from holdfast.ports.store import Store
from holdfast.stores import GroupCommit, PostgresStore
from holdfast.stores.beat import beat
from holdfast.testing.conformance import CHECKS, Check
from holdfast.testing.conformance.store.harness import do, join, own, signal, start
from tests.conformance.postgres import Ground, PostgresHarness, database_of
from tests.servers.pgbouncer import Pgbouncer

POOLED = (
    "a_place_is_passed_on_whatever_ends_it",
    "a_start_is_idempotent",
    "messages_keep_their_order",
    "runs_are_found_by_filter",
    "the_dead_lose_their_runs",
)


def test_a_lease_is_renewed_from_beside(dsn: str) -> None:
    """The sidecar renews by address, and is told when the lease is lost."""

    async def member() -> tuple[int, int]:
        async with AsyncExitStack() as stack:
            store = await opened(stack, dsn)
            membership = await do(store, Join("m", "stack", "here", 1, 5.0))
            return membership.member, membership.epoch

    number, epoch = asyncio.run(member())
    arguments = {"address": dsn, "member": number, "epoch": epoch, "lease_seconds": 5.0}
    assert beat(arguments, "alive") is True

    async def leave() -> None:
        async with AsyncExitStack() as stack:
            store = await opened(stack, dsn)
            (record,) = await store.members()
            assert record.state == "alive"
            await store.write([Leave(Membership(number, epoch))])

    asyncio.run(leave())
    assert beat(arguments, "alive") is False


def test_a_reader_of_changes_misses_nothing_that_commits_late(dsn: str) -> None:
    """However writers overlap, whoever reads on from where it stands is told of each beginning and each end once."""

    async def run() -> None:
        async with AsyncExitStack() as stack:
            stores = [await opened(stack, dsn) for _ in range(3)]
            reader = await opened(stack, dsn)
            done = asyncio.Event()

            async def write(store: Store, name: str) -> None:
                member = await join(store, name)
                for number in range(15):
                    execution, history = await own(store, member, f"{name}{number}")
                    await do(store, signal(f"{name}{number}"))
                    (row,) = await store.execution_inbox(execution)
                    page = history.page(closing=True)
                    closing = Closing(COMPLETED, b"")
                    await do(store, Append(execution, page, inbox_read=row.inbox_id, closing=closing), member)

            async def read() -> list[tuple[str, str]]:
                place, told, is_last = Position(0, 0), [], False
                while True:
                    found = await reader.changes(place, 7)
                    told += [(change.run_id, change.status) for change in found.changes]
                    place = found.position
                    if is_last and not found.more:
                        return told
                    is_last = done.is_set()

            reading = asyncio.create_task(read())
            await asyncio.gather(*(write(store, name) for store, name in zip(stores, "abc", strict=True)))
            done.set()
            told = await reading
            expected = {(f"{name}{number}", status) for name in "abc" for number in range(15) for status in STATUSES}
            assert len(told) == len(set(told))
            assert expected <= set(told)

    asyncio.run(run())


STATUSES = ("RUNNING", COMPLETED)


def test_writes_of_one_process_share_transactions(dsn: str) -> None:
    """Group commit needs nothing of a file: what waits is written together, and each gets its own result."""

    async def run() -> None:
        async with AsyncExitStack() as stack:
            inner = PostgresStore(dsn)
            store = GroupCommit(inner)
            await store.open()
            stack.push_async_callback(store.close)
            results = await asyncio.gather(*(store.write([start(f"r{number}")]) for number in range(50)))
            assert [each.execution for (each,) in results] == [f"r{number}" for number in range(50)]
            assert inner._writer is not None
            assert inner._writer._number < 10
            assert (await store.totals()).runs == {"RUNNING": 50}

    asyncio.run(run())


@pytest.mark.parametrize("check", [each for each in CHECKS if each.__name__ in POOLED], ids=lambda each: each.__name__)
def test_behind_a_pooler(check: Check, ground: Ground, pgbouncer_server: Pgbouncer) -> None:
    """Where nothing may be kept on a connection between two transactions, promises are kept all the same."""
    ground.clear()

    async def run() -> None:
        harness = PostgresHarness(pgbouncer_server.dsn(ground.dsn))
        try:
            await check(harness)
        finally:
            await harness.close()

    asyncio.run(run())


def test_a_line_is_in_order_however_a_server_finds_its_rows(ground: Ground) -> None:
    """Plans change with what a server knows of a table, and rows come in another order then."""
    (check,) = (each for each in CHECKS if each.__name__ == "a_place_is_passed_on_whatever_ends_it")
    ground.clear()

    async def run() -> None:
        connection = await asyncpg.connect(ground.dsn.partition("?")[0])
        harness = PostgresHarness(ground.dsn)
        try:
            await connection.execute(f'ALTER DATABASE "{database_of(ground.dsn)}" SET enable_indexscan = off')
            await check(harness)
        finally:
            await connection.execute(f'ALTER DATABASE "{database_of(ground.dsn)}" RESET enable_indexscan')
            await connection.close()
            await harness.close()

    asyncio.run(run())


def test_a_server_that_answers_before_the_disk_does_is_told_of(postgres_server, dsn: str) -> None:
    """Whoever set a server so is asked whether that is meant; an address may say that it is."""
    plain, _, _ = dsn.partition("?")
    database = plain.rpartition("/")[2]
    postgres_server.run(f'ALTER DATABASE "{database}" SET synchronous_commit = off')

    async def run() -> None:
        async with AsyncExitStack() as stack:
            with pytest.warns(HoldfastWarning, match="synchronous_commit"):
                await opened(stack, plain)
            await opened(stack, f"{plain}?synchronous_commit=off")
            await opened(stack, f"{plain}?synchronous_commit=on")

    try:
        asyncio.run(run())
    finally:
        postgres_server.run(f'ALTER DATABASE "{database}" RESET synchronous_commit')


async def opened(stack: AsyncExitStack, dsn: str) -> PostgresStore:
    """Open a store until the stack ends."""
    store = PostgresStore(dsn, read_connections=1)
    stack.push_async_callback(store.close)
    await store.open()
    return store
