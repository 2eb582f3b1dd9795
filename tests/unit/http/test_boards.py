"""What one worker learns of a host, all others know at the next ring."""

from __future__ import annotations

import asyncio

from holdfast.app.encryption import make_store
from holdfast.app.ringing import bus_of
from holdfast.app.settings import Settings
from holdfast.http import FleetBoard
from holdfast.ports.bus import CONTRACTS, HOSTS
from holdfast.ports.hosts import FAILURES_MIN, Frozen, Outcomes, Turn
from holdfast.ports.operations import ContractRecord, NoteRetirement
from holdfast.stores import SystemClock
from tests.unit.worker.rig import on_loop


class Worker:
    """One worker's store, bus and board."""

    def __init__(self, path) -> None:
        settings = Settings(store=f"sqlite:///{path}", synchronous="NORMAL")
        clock = SystemClock()
        self.bus = bus_of(settings, lambda: self.store)
        self.store = make_store(settings, clock, self.bus)
        self.board = FleetBoard(self.store, self.bus, clock, asyncio.get_running_loop())

    async def __aenter__(self):
        await self.store.open()
        await self.bus.open()
        return self

    async def __aexit__(self, *_) -> None:
        await self.board.close()
        await self.bus.close()
        await self.store.close()


async def ring(worker: Worker, topic: str = HOSTS) -> asyncio.Future:
    """Return what is done when the worker next hears that something was learned of hosts, or of another topic."""
    heard = asyncio.get_running_loop().create_future()

    def listen(topics: frozenset[str]) -> None:
        if topic in topics and not heard.done():
            heard.set_result(None)

    stop = worker.bus.listen(listen)
    heard.add_done_callback(lambda _: stop())
    return heard


@on_loop
async def test_a_circuit_that_one_worker_opens_is_open_for_another_at_the_next_ring(tmp_path):
    """It is read when it rings, and before the next call looks."""
    async with Worker(tmp_path / "s.db") as one, Worker(tmp_path / "s.db") as other:
        assert await other.board.look("h") is None
        heard = await ring(other)
        await one.board.tell("h", Outcomes(FAILURES_MIN, 0, "reset"))
        await heard
        await other.board._reading
        state = await other.board.look("h")
        assert (state.circuit(other.board.now()), state.reason) == ("open", "reset")
        (limit,) = await other.store.limits()
        assert (limit.kind, limit.name, limit.circuit, limit.reason) == ("host", "h", "open", "reset")


@on_loop
async def test_what_rings_while_it_is_read_is_read_as_well(tmp_path):
    """Many things learned at once are all known in the end, by few reads."""
    async with Worker(tmp_path / "s.db") as one, Worker(tmp_path / "s.db") as other:
        await other.board.look("h")
        await asyncio.gather(*(one.board.tell(f"h{number}", Frozen(60.0, "a", 5.0, 1.0)) for number in range(20)))
        while await other.board.look("h19") is None or await other.board.look("h0") is None:
            await (await ring(other))
        assert (await other.board.look("h7")).is_paced(other.board.now())
        replies = await asyncio.gather(*(each.board.tell("h7", Turn()) for each in (one, other, one, other)))
        assert len({each.at for each in replies}) == 4


@on_loop
async def test_calls_from_another_loop_reach_the_board(tmp_path):
    """A task in a thread has a loop of its own; the store stays on the one that it belongs to."""
    async with Worker(tmp_path / "s.db") as worker:

        async def elsewhere():
            await worker.board.tell("h", Frozen(60.0, "a"))
            return await worker.board.look("h")

        state = await asyncio.to_thread(asyncio.run, elsewhere())
        assert state.frozen_by == "a"


@on_loop
async def test_a_contract_that_one_worker_keeps_is_read_by_another_at_the_next_ring(tmp_path):
    """Until then it goes by its copy; what it keeps on top of an old one is refused."""
    async with Worker(tmp_path / "s.db") as one, Worker(tmp_path / "s.db") as other:
        await other.board.look("h")
        assert await other.board.contract("h", "GET /x") is None
        heard = await ring(other, CONTRACTS)
        record = ContractRecord("h", "GET /x", 1, 1, is_learned=True, answers=5)
        assert await one.board.keep_contract(record)
        await heard
        found = await other.board.contract("h", "GET /x")
        assert (found.answers, found.is_learned) == (5, True)
        assert not await other.board.keep_contract(record)
        assert [each.version for each in await other.board.contract_versions("h", "GET /x")] == [1]


@on_loop
async def test_what_a_host_gives_up_is_news_to_the_fleet_once(tmp_path):
    """Whoever hears it first says so."""
    async with Worker(tmp_path / "s.db") as one, Worker(tmp_path / "s.db") as other:
        note = NoteRetirement("h", "GET /x", None, 5.0, "", "r-1")
        assert [await each.board.note_retirement(note) for each in (one, other)] == [True, False]
