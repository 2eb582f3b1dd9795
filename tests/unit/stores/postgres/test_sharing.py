"""Store objects write beside one another: whatever they do at once comes to what it would have come to one by one."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from holdfast.errors import AlreadyProcessed, FencedError, LeaseHeld, RunClosedError
from holdfast.history import Limits, RateUse
from holdfast.ports.clock import Clock
from holdfast.ports.operations import (
    COMPLETED,
    AcquireLease,
    Answer,
    Append,
    Ask,
    Beat,
    BeatTasks,
    ClaimChunks,
    ClaimRuns,
    ClaimTasks,
    Closing,
    Deliver,
    Delivered,
    FinishOwnTask,
    FinishTask,
    ItemOutcome,
    MarkDone,
    Membership,
    OpenEntry,
    OpenStream,
    QueueFanOut,
    QueueTask,
    RecordItems,
    ReleaseLease,
    ReleaseRuns,
    ReleaseTasks,
    RenewEntry,
    RenewLease,
    RetryOwnTask,
    RetryTask,
    ReturnRequest,
    Say,
    StartRun,
    TakeRequests,
)
from holdfast.ports.store import Store
from holdfast.stores import PostgresStore
from holdfast.stores.postgres import session, shared
from holdfast.stores.postgres.session import ServerSession
from holdfast.testing.conformance.store.harness import History, do, join, own, signal, start

STORES = 3


@pytest.fixture
def escalations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the statements for which transactions had to be alone."""
    found: list[str] = []
    text = ServerSession._text

    def note(session: ServerSession, name: str) -> str:
        if session._allowed is not None and name not in session._allowed:
            found.append(name)
        return text(session, name)

    monkeypatch.setattr(ServerSession, "_text", note)
    return found


def count_journeys(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list of one number: how often a server was waited for, from now on."""
    journeys = [0]
    wait = session.wait

    def counted(awaitable: Any) -> Any:
        journeys[0] += 1
        return wait(awaitable)

    monkeypatch.setattr(session, "wait", counted)
    return journeys


def together(dsn: str, check: Callable[..., Awaitable[None]], stores: int = STORES, clock: Clock | None = None) -> None:
    """Run a check on several store objects, each with a member of its own."""

    async def run() -> None:
        async with opened(dsn, stores, clock) as found:
            await check(*found)

    asyncio.run(run())


@asynccontextmanager
async def opened(
    dsn: str, stores: int, clock: Clock | None = None
) -> AsyncIterator[list[tuple[PostgresStore, Membership]]]:
    """Open store objects, each with a member."""
    found: list[tuple[PostgresStore, Membership]] = []
    try:
        for number in range(stores):
            store = PostgresStore(dsn, clock=clock, read_connections=1)
            found.append((store, Membership(0, 0)))
            await store.open()
            found[-1] = (store, await join(store, f"m{number}"))
        yield found
    finally:
        for store, _ in found:
            await store.close()


Writer = tuple[PostgresStore, Membership]


def test_one_of_those_that_start_a_run_makes_it(dsn: str, escalations: list[str]) -> None:
    """Singly or in batches, in whatever order: one is told that it made the run, all others that it is there."""

    async def check(*writers: Writer) -> None:
        async def start_all(store: Store, member: Membership, seed: int) -> list[Any]:
            names = [f"r{number}" for number in range(40)]
            random.Random(seed).shuffle(names)
            results = []
            for some in (names[:20], names[20:21], names[21:]):
                results += await store.write([start(name, own=True) for name in some], member)
            return results

        found = await asyncio.gather(*(start_all(*writer, seed) for seed, writer in enumerate(writers)))
        made = Counter(result.execution for results in found for result in results if result.created)
        assert made == {f"r{number}": 1 for number in range(40)}
        ids = {(result.execution, result.execution_id) for results in found for result in results}
        assert len(ids) == 40

    together(dsn, check)
    assert escalations == []


def test_ready_runs_are_claimed_once(dsn: str, escalations: list[str]) -> None:
    """Members that claim at once get different runs, and together all of them."""

    async def check(*writers: Writer) -> None:
        await writers[0][0].write([start(f"r{number}") for number in range(90)])

        async def claim(store: Store, member: Membership) -> list[str]:
            got: list[str] = []
            while claimed := await do(store, ClaimRuns(("W",), 7), member):
                got += [each.run_id for each in claimed]
            return got

        found = await asyncio.gather(*(claim(*writer) for writer in writers))
        got = [run_id for each in found for run_id in each]
        while rest := await claim(*writers[0]):  # what was locked when the last ones looked
            got += rest
        assert Counter(got) == {f"r{number}": 1 for number in range(90)}
        assert sum(bool(each) for each in found) > 1, "one took everything, so nothing was shown"

    together(dsn, check)
    assert escalations == []


def test_messages_become_visible_in_order_and_none_is_lost(dsn: str) -> None:
    """An inbox that is read while others write shows no older message after a newer one; no end of a run loses one."""

    async def check(owner: Writer, *senders: Writer) -> None:
        store, member = owner
        for round_ in range(6):
            run_id = f"r{round_}"
            execution, history = await own(store, member, run_id)

            async def send(sender: Store, name: str, run_id: str = run_id) -> list[int]:
                ids: list[int] = []
                for number in range(12):
                    batch = [signal(run_id, f"{name}/{number}/{each}") for each in range(number % 3 + 1)]
                    results = await sender.write(batch)
                    ids += [each.inbox_id for each in results if isinstance(each, Delivered)]
                    if isinstance(results[-1], RunClosedError):
                        break
                return ids

            async def read(execution: int = execution, history: History = history) -> list[int]:
                seen: list[int] = []
                while True:
                    rows = [row.inbox_id for row in await store.inbox(member) if row.execution_id == execution]
                    assert rows == sorted(rows)
                    new = [each for each in rows if each not in seen]
                    assert not new or not seen or new[0] > seen[-1], "an older message came after a newer one"
                    seen += new
                    last = seen[-1] if seen else 0
                    closing = Closing(COMPLETED, b"") if len(seen) > 10 else None
                    page = history.page(closing=closing is not None)
                    (result,) = await store.write([Append(execution, page, inbox_read=last, closing=closing)], member)
                    if result is True:
                        history.keep(page)
                        if closing is not None:
                            return seen

            (seen, *sent) = await asyncio.gather(
                read(), *(send(sender, str(number)) for number, (sender, _) in enumerate(senders))
            )
            assert sorted(id_ for ids in sent for id_ in ids) == seen, "acknowledged is read, before the end"

    together(dsn, check)


def test_a_run_that_is_let_go_while_it_gets_a_message_is_claimed_again(dsn: str, escalations: list[str]) -> None:
    """Whatever comes first, the message or the release: the run is ready, and its next owner has the message."""

    async def check(owner: Writer, sender: Writer, _: Writer) -> None:
        store, member = owner
        execution, _history = await own(store, member, "r")
        for round_ in range(40):
            await asyncio.gather(
                do(store, ReleaseRuns((execution,)), member), do(sender[0], signal("r", f"op{round_}"))
            )
            (claimed,) = await do(store, ClaimRuns(("W",), 1), member)
            assert claimed.execution_id == execution
            assert len(await store.inbox(member)) == round_ + 1

    together(dsn, check)
    assert escalations == []


def test_queued_tasks_are_run_once(dsn: str, escalations: list[str]) -> None:
    """Claimed by several at once, finished, tried again, given back: each task has one outcome in its run's inbox."""

    async def check(owner: Writer, *workers: Writer) -> None:
        store, member = owner
        runs = [await own(store, member, f"r{number}") for number in range(3)]
        for execution, history in runs:
            tasks = tuple(QueueTask(f"t#{number}", "t", b"", "p", number % 3, b"") for number in range(30))
            assert await do(store, Append(execution, history.keep(history.page()), queue=tasks), member)

        async def work(worker: Store, me: Membership, seed: int) -> None:
            dice = random.Random(seed)
            tokens: dict[int, int] = {}
            idle = 0
            while idle < 5:
                claimed = await do(worker, ClaimTasks((("p", 5),), ("t",)), me)
                idle = 0 if claimed else idle + 1
                batch: list[Any] = []
                for each in claimed:
                    assert each.token > tokens.get(each.task_id, 0), "a later claim has the higher token"
                    tokens[each.task_id] = each.token
                    name = (each.task_id, each.token)
                    chance = dice.random()
                    if chance < 0.6:
                        batch.append(FinishTask(*name, b"x", each.execution_id, each.step))
                    elif chance < 0.8:
                        batch.append(RetryTask(*name, 0.0, b"", each.execution_id, each.step))
                    else:
                        batch.append(ReleaseTasks((each.task_id,)))
                batch.append(BeatTasks(tuple((each.task_id, each.token, b"1") for each in claimed)))
                results = await worker.write(batch, me)
                assert not any(isinstance(each, FencedError) for each in results)

        await asyncio.gather(*(work(*worker, seed) for seed, worker in enumerate(workers)))
        for execution, _ in runs:
            assert await store.queue(execution) == []
            rows = await store.execution_inbox(execution)
            assert sorted(row.name for row in rows) == sorted(f"t#{number}" for number in range(30))

    together(dsn, check)
    assert escalations == []


def test_places_are_never_more_than_there_are(dsn: str, escalations: list[str]) -> None:
    """Tasks with a limit are queued, claimed, finished, retried and given back at once: no place is made or lost."""
    slots, tasks = 3, 12

    async def check(*writers: Writer) -> None:
        running: set[int] = set()
        ended: list[str] = []

        async def work(worker: Store, me: Membership, seed: int) -> None:
            execution, history = await own(worker, me, f"r{seed}")
            queue = tuple(
                QueueTask(f"t{seed}#{number}", "t", b"", "p", number % 2, b"", limits=Limits("crm", slots, f"k{seed}"))
                for number in range(tasks)
            )
            assert await do(worker, Append(execution, history.keep(history.page()), queue=queue), me)
            dice = random.Random(seed)
            while len(ended) < tasks * len(writers):
                claimed = await do(worker, ClaimTasks((("p", 2),), ("t",)), me)
                running.update(each.task_id for each in claimed)
                assert len(running) <= slots
                running.difference_update(each.task_id for each in claimed)
                batch: list[Any] = []
                for each in claimed:
                    name = (each.task_id, each.token)
                    chance = dice.random()
                    if chance < 0.6:
                        batch.append(FinishTask(*name, b"x", each.execution_id, each.step))
                    elif chance < 0.8:
                        batch.append(RetryTask(*name, 0.0, b"", each.execution_id, each.step))
                    else:
                        batch.append(ReleaseTasks((each.task_id,)))
                results = await worker.write(batch, me) if batch else []
                assert not any(isinstance(each, FencedError) for each in results)
                ended.extend(each.step for each in batch if isinstance(each, FinishTask))

        await asyncio.gather(*(work(*writer, seed) for seed, writer in enumerate(writers)))
        assert len(set(ended)) == len(ended)
        assert await writers[0][0].limits() == []

    together(dsn, check)
    assert escalations == []


@pytest.mark.undisturbed("it counts journeys")
def test_many_runs_end_in_as_few_journeys_as_few(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also behind a claim of runs, a beat and whatever else shares the batch: what was foreseen stays true."""
    journeys = count_journeys(monkeypatch)

    async def check(owner: Writer) -> None:
        store, member = owner
        found = []
        for count in (2, 60):
            owned = [await own(store, member, f"{count}-{number}") for number in range(count)]
            ends = [
                Append(execution, history.page(closing=True), closing=Closing(COMPLETED, b""), inbox_read=0)
                for execution, history in owned
            ]
            before = [
                ClaimRuns(("w",), 9),
                Beat(member, 60.0, "alive"),
                TakeRequests(1),
                ClaimTasks((("p", 9),), ("t",)),
            ]
            journeys[0] = 0
            assert (await store.write([*before, *ends], member))[len(before) :] == [True] * count
            found.append(journeys[0])
        few, many = found
        assert many <= few + 6  # what is put off is sent statement by statement where it is much

    together(dsn, check, stores=1)


def test_many_tasks_with_limits_take_as_few_journeys_as_few(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hundred are queued, moved through their lines and claimed by hardly more statements than ten."""
    journeys = count_journeys(monkeypatch)

    async def check(owner: Writer) -> None:
        store, member = owner
        found = []
        for run, count in (("few", 10), ("many", 200)):
            execution, history = await own(store, member, run)
            journeys[0] = 0
            queue = tuple(
                QueueTask(f"t#{number}", "t", b"", "p", 0, b"", limits=Limits(f"crm[{number % 5}]", 1))
                for number in range(count)
            )
            assert await do(store, Append(execution, history.keep(history.page()), queue=queue), member)
            claimed = await do(store, ClaimTasks((("p", 99),), ("t",)), member)
            assert len(claimed) == 5
            closing = Append(execution, history.page(closing=True), closing=Closing(COMPLETED, b""), inbox_read=2**62)
            assert await do(store, closing, member)
            found.append(journeys[0])
        few, many = found
        assert many <= few + 8  # what is put off is sent statement by statement where it is much
        assert many < 60

    together(dsn, check, stores=1)


def test_rates_are_never_exceeded_by_several(dsn: str, escalations: list[str]) -> None:
    """What several claim at once is what fits into the rate, and all of that; what is over counts no longer."""
    amount = 7

    class Hands:
        at = 1_000.0

        def now(self) -> float:
            return self.at

    clock = Hands()

    async def check(*writers: Writer) -> None:
        store, member = writers[0]
        execution, history = await own(store, member, "r")
        limits = Limits(rates=(RateUse("api", amount, 10.0),))
        queue = tuple(QueueTask(f"t#{number}", "t", b"", "p", 0, b"", limits=limits) for number in range(3 * amount))
        assert await do(store, Append(execution, history.keep(history.page()), queue=queue), member)

        async def work(worker: Store, me: Membership) -> int:
            got = idle = 0
            while idle < 3:
                claimed = await do(worker, ClaimTasks((("p", 2),), ("t",)), me)
                idle = 0 if claimed else idle + 1
                got += len(claimed)
            return got

        for _ in range(3):
            assert sum(await asyncio.gather(*(work(*writer) for writer in writers))) == amount
            clock.at += 100.0
            for each in writers:
                await do(each[0], Beat(each[1], 60.0, "alive"))

    together(dsn, check, clock=clock)
    assert escalations == []


def test_tasks_with_limits_that_go_let_others_go_on(dsn: str, escalations: list[str]) -> None:
    """Cancelled, or gone with their run, while others claim: who waits behind them has their places in the end."""

    async def check(owner: Writer, *workers: Writer) -> None:
        store, member = owner
        is_over = asyncio.Event()

        async def work(worker: Store, me: Membership) -> None:
            last = False
            while not last:
                last = is_over.is_set()
                while claimed := await do(worker, ClaimTasks((("p", 2),), ("t",)), me):
                    last = False
                    await worker.write(
                        [FinishTask(each.task_id, each.token, b"x", each.execution_id, each.step) for each in claimed],
                        me,
                    )

        async def run() -> None:
            for round_ in range(15):
                execution, history = await own(store, member, f"r{round_}")
                limits = Limits("crm", 1)
                tasks = tuple(QueueTask(f"t#{number}", "t", b"", "p", 0, b"", limits=limits) for number in range(4))
                await do(store, Append(execution, history.keep(history.page()), queue=tasks), member)
                await do(store, Append(execution, None, unqueue=("t#1", "t#2")), member)
                if round_ % 2:
                    closing = history.page(closing=True)
                    end = Append(execution, closing, closing=Closing(COMPLETED, b""), inbox_read=2**62)
                    assert await do(store, end, member)
            is_over.set()

        await asyncio.gather(run(), *(work(*worker) for worker in workers))
        assert await store.limits() == []

    together(dsn, check)
    assert set(escalations) <= {"unqueue_limited_task", "drop_limited_tasks"}


def test_tasks_end_while_their_run_does(dsn: str) -> None:
    """Either the outcome is in the inbox, and the run does not end without it, or it is refused and nothing is left."""

    async def check(owner: Writer, worker: Writer, _: Writer) -> None:
        store, member = owner
        for round_ in range(25):
            execution, history = await own(store, member, f"r{round_}")
            tasks = tuple(QueueTask(f"t#{number}", "t", b"", "p", 0, b"") for number in range(3))
            await do(store, Append(execution, history.keep(history.page()), queue=tasks), member)
            claimed = await do(worker[0], ClaimTasks((("p", 5),), ("t",)), worker[1])
            finishes = [FinishTask(each.task_id, each.token, b"x", execution, each.step) for each in claimed]
            closing = Append(execution, history.page(closing=True), closing=Closing(COMPLETED, b""))
            ended, finished = await asyncio.gather(
                store.write([closing], member), worker[0].write(finishes[: round_ % 3 + 1], worker[1])
            )
            delivered = sum(each is True for each in finished)
            if ended == [True]:
                assert await store.execution_inbox(execution) == []
                assert await store.queue(execution) == []
                assert delivered == 0 or finished[0] is True
            else:
                assert len(await store.execution_inbox(execution)) == delivered > 0

    together(dsn, check)


def test_own_tasks_and_their_run(dsn: str, escalations: list[str]) -> None:
    """What a member runs by itself ends once, or goes to whoever claims it."""

    async def check(owner: Writer, worker: Writer, _: Writer) -> None:
        store, member = owner
        execution, history = await own(store, member, "r")
        tasks = tuple(QueueTask(f"t#{number}", "t", b"", "p", 0, b"", own=True) for number in range(4))
        await do(store, Append(execution, history.keep(history.page()), queue=tasks), member)
        batch = [FinishOwnTask(execution, f"t#{number}", 1, b"x") for number in range(2)]
        batch += [RetryOwnTask(execution, f"t#{number}", 1, 0.0, b"f") for number in range(2, 4)]
        *done, again = await store.write([*batch, FinishOwnTask(execution, "t#0", 1, b"x")], member)
        assert done == [True] * 4
        assert isinstance(again, FencedError)
        assert len(await do(worker[0], ClaimTasks((("p", 9),), ("t",)), worker[1])) == 2
        assert [row.name for row in await store.inbox(member)] == ["t#0", "t#1"]

    together(dsn, check)
    assert escalations == []


def test_items_are_recorded_once(dsn: str, escalations: list[str]) -> None:
    """Chunks of one fan-out, run by several at once: every item has its outcome, and the run hears of the end once."""

    async def check(owner: Writer, *workers: Writer) -> None:
        store, member = owner
        execution, history = await own(store, member, "r")
        items = tuple(str(number).encode() for number in range(120))
        fan_out = QueueFanOut("map#1", "t", "p", 0, b"", -1, items, 5)
        await do(store, Append(execution, history.keep(history.page()), fan_outs=(fan_out,)), member)

        async def work(worker: Store, me: Membership) -> None:
            while chunks := await do(worker, ClaimChunks((("p", 2),), ("t",)), me):
                for chunk in chunks:
                    half = len(chunk.items) // 2
                    for some, is_done in ((chunk.items[:half], False), (chunk.items[half:], True)):
                        outcomes = tuple(ItemOutcome(index, True, item) for index, item in some)
                        state = await do(worker, RecordItems(chunk.chunk_id, chunk.token, outcomes, done=is_done), me)
                        assert state.wanted

        await asyncio.gather(*(work(*worker) for worker in workers))
        (record,) = await store.fan_outs(execution)
        assert (record.done, record.failed, record.closed) == (120, 0, True)
        assert [each.body for each in await store.outcomes(record.fan_out_id, 0, 120)] == list(items)
        assert [row.kind for row in await store.inbox(member)] == ["fan_out"]

    together(dsn, check)
    assert escalations == []


def test_a_request_is_answered_by_one(dsn: str, escalations: list[str]) -> None:
    """Requests for runs that nobody owns go to one of those that take them, and have one answer."""

    async def check(*writers: Writer) -> None:
        store = writers[0][0]
        await store.write([start("r", workflow="X")])
        ids = await store.write([Ask("r", "query", "q", b"", f"op{number}", 9e9) for number in range(40)])
        assert ids == await store.write([Ask("r", "query", "q", b"", f"op{number}", 9e9) for number in range(40)])

        async def serve(server: Store, me: Membership) -> list[int]:
            got: list[int] = []
            while taken := await do(server, TakeRequests(3), me):
                got += [each.request_id for each in taken]
                await server.write([Answer(each.request_id, str(me.member).encode()) for each in taken], me)
            return got

        found = await asyncio.gather(*(serve(*writer) for writer in writers))
        got = [request for each in found for request in each]
        got += await serve(*writers[0])
        assert sorted(got) == sorted(ids)
        answers = [await store.answer(request) for request in ids]
        assert None not in answers
        (given_back,) = await store.write([Ask("r", "query", "q", b"", "more", 9e9)])
        (taken,) = await do(store, TakeRequests(3), writers[0][1])
        await do(store, ReturnRequest(taken.request_id), writers[0][1])
        assert [each.request_id for each in await do(store, TakeRequests(3), writers[1][1])] == [given_back]

    together(dsn, check)
    assert escalations == []


def test_a_name_is_one_mans(dsn: str, escalations: list[str]) -> None:
    """Of those that ask for a ledger entry or a lock at once, one gets it; tokens rise; done is done once."""

    async def check(*writers: Writer) -> None:
        tokens: list[int] = []
        held: list[str] = []

        async def work(store: Store, _: Membership, me: str) -> None:
            for number in range(12):
                name = f"n{number}"
                (opened_,) = await store.write([OpenEntry(name, me, 60.0)])
                if isinstance(opened_, int):
                    assert await do(store, RenewEntry(name, opened_, 60.0))
                    assert await do(store, MarkDone(name, me.encode(), opened_))
                    held.append(name)
                else:
                    assert isinstance(opened_, LeaseHeld | AlreadyProcessed)
                while not (token := await do(store, AcquireLease("lock", 1, me, 60.0))):
                    pass
                tokens.append(token)
                assert await do(store, RenewLease("lock", token, 60.0))
                assert [each.holder for each in await store.locks() if each.held] == [me]
                assert await do(store, ReleaseLease("lock", me))

        await asyncio.gather(*(work(*writer, f"w{number}") for number, writer in enumerate(writers)))
        assert Counter(held) == {f"n{number}": 1 for number in range(12)}
        assert tokens == sorted(set(tokens))
        assert len(tokens) == 12 * len(writers)

    together(dsn, check)
    assert escalations == []


def test_what_reaches_others_is_written_alone(dsn: str, escalations: list[str]) -> None:
    """A message that ends a run nobody owns comes to what it may not do beside others, and is carried out."""

    async def check(writer: Writer, *_: Writer) -> None:
        store, member = writer
        await store.write([start("r")])
        (result,) = await store.write([Deliver("r", "terminate", "", b"", "op")], member)
        assert isinstance(result, Delivered)
        record = await store.run("r")
        assert record is not None
        assert record.status == "TERMINATED"

    together(dsn, check)
    assert escalations != []


def test_what_several_say_at_once_is_told_by_streams_and_epochs(dsn: str, escalations: list[str]) -> None:
    """Many streams are written beside one another; of two attempts at one, only the newer one's words are there."""

    async def check(*writers: Writer) -> None:
        stores = [store for store, _ in writers]

        async def tell(store: Store, name: str, epoch: int, words: str) -> None:
            for place, letter in enumerate(words):
                if not (await store.write([Say("a", name, epoch, place, 1, letter.encode())]))[0]:
                    return

        names = [f"ask#{number}" for number in range(6)]
        for name in names:
            await do(stores[0], OpenStream("a", name, "a"))
        speaking = [tell(stores[number % STORES], name, 1, "x" * 40) for number, name in enumerate(names)]

        async def again(name: str) -> None:
            await asyncio.sleep(0)
            epoch = await do(stores[1], OpenStream("a", name, "a"))
            await tell(stores[1], name, epoch, "y" * 30)

        await asyncio.gather(*speaking, again(names[0]))
        texts = []
        for name in names:
            found = await stores[2].said("a", name)
            assert found is not None
            texts.append((found.epoch, b"".join(body for _, body in found.pieces).decode()))
        assert texts == [(2, "y" * 30), *[(1, "x" * 40)] * 5]
        assert escalations == []

    together(dsn, check)


def test_every_shared_operation_says_why() -> None:
    """Each has its reason, and each was tried above."""
    tried: set[type] = {
        *(StartRun, Append, Deliver, ClaimRuns, ReleaseRuns, ClaimTasks, FinishTask, FinishOwnTask, RetryTask),
        *(RetryOwnTask, ReleaseTasks, BeatTasks, ClaimChunks, RecordItems, Ask, TakeRequests, ReturnRequest, Answer),
        *(OpenEntry, RenewEntry, MarkDone, AcquireLease, RenewLease, ReleaseLease, Say),
    }
    assert all(shared.SHARED.values())
    assert {kind.__name__ for kind in shared.SHARED.keys() - tried} == {"Beat", "CloseEntry", "HoldPrefixes"}
    assert not shared.may_share(Append(1, None, outgoing=None, park="x"))
    assert shared.may_share(Beat(Membership(1, 1), 1.0, "alive"))
