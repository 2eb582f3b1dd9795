"""Where it stands how hosts are: for one process, or for a whole fleet.

Owns: which board a call looks at; the copy that a process has of the fleet's.
Must not know: what is on it, which `holdfast.ports.hosts` says; HTTP.

A call looks at this process's copy, which costs nothing, and asks the store only where there is something to ask: a
turn, a probe. Whoever changes something rings, and all others read it then. A copy that heard nothing for POLL_SECONDS
is looked after when it is next used: rings may be lost.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from holdfast.errors import HoldfastError
from holdfast.observe import logger, warn_of
from holdfast.ports.bus import CONTRACTS, HOSTS, Bus
from holdfast.ports.clock import Clock
from holdfast.ports.hosts import HostFact, HostReply, HostState, learn
from holdfast.ports.operations import ContractRecord, KeepContract, NoteRetirement, TellHost
from holdfast.ports.reach import Reach
from holdfast.ports.served import Served, on_loop
from holdfast.ports.store import Store

POLL_SECONDS: Final = 5.0

log = logger("holdfast.http")


class Board(Protocol):
    """How hosts are."""

    def now(self) -> float:
        """Return the time by which states are meant, in seconds since the epoch."""

    async def look(self, host: str) -> HostState | None:
        """Return what is known of a host, None for nothing."""

    async def tell(self, host: str, fact: HostFact) -> HostReply:
        """Tell something, or ask for a turn or a probe."""

    async def contract(self, host: str, endpoint: str) -> ContractRecord | None:
        """Return the newest version of what was learned of an endpoint's answers."""

    async def contract_versions(self, host: str, endpoint: str) -> list[ContractRecord]:
        """Return what is kept of an endpoint's contract, the newest version first."""

    async def keep_contract(self, record: ContractRecord) -> bool:
        """Keep what was learned; say whether it is kept, which it is not where somebody else kept something."""

    async def note_retirement(self, retirement: NoteRetirement) -> bool:
        """Note what a host gives up; say whether that is news."""


class LocalBoard:
    """Of this process alone: where there is no store. Implements `Board`."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._states: dict[str, HostState] = {}
        self._contracts: dict[tuple[str, str], ContractRecord] = {}
        self._retirements: dict[tuple[str, str], NoteRetirement] = {}

    def now(self) -> float:
        """Return the time of this machine."""
        return time.time()

    async def look(self, host: str) -> HostState | None:
        """Return what is known of a host."""
        return self._states.get(host)

    async def tell(self, host: str, fact: HostFact) -> HostReply:
        """Tell something, or ask."""
        reply = learn(self._states.get(host, HostState()), fact, self.now())
        self._states[host] = reply.state
        return reply

    async def contract(self, host: str, endpoint: str) -> ContractRecord | None:
        """Return what this process has learned."""
        return self._contracts.get((host, endpoint))

    async def contract_versions(self, host: str, endpoint: str) -> list[ContractRecord]:
        """Return the newest version alone."""
        found = self._contracts.get((host, endpoint))
        return [] if found is None else [found]

    async def keep_contract(self, record: ContractRecord) -> bool:
        """Keep what was learned for as long as this process lives."""
        found = self._contracts.get((record.host, record.endpoint))
        if record.revision != (0 if found is None else found.revision) + 1:
            return False
        self._contracts[record.host, record.endpoint] = record
        return True

    async def note_retirement(self, retirement: NoteRetirement) -> bool:
        """Note what a host gives up."""
        where = (retirement.host, retirement.endpoint)
        is_news = self._retirements.get(where) != retirement
        self._retirements[where] = retirement
        return is_news


class FleetBoard:
    """Of everybody who uses a store. Implements `Board`."""

    def __init__(self, store: Store, bus: Bus, clock: Clock, loop: asyncio.AbstractEventLoop) -> None:
        """Look into `store`, which belongs to `loop`; calls may come from any."""
        self._store = store
        self._bus = bus
        self._clock = clock
        self._loop = loop
        self._states: dict[str, HostState] = {}
        self._contracts: dict[tuple[str, str], tuple[float, ContractRecord | None]] = {}
        """With when each was read."""
        self._read_at: float | None = None
        self._reading: asyncio.Task[None] | None = None
        self._again = False
        self._stop: Callable[[], None] | None = None

    def now(self) -> float:
        """Return the store's time, as far as this process knows."""
        return self._clock.now()

    async def look(self, host: str) -> HostState | None:
        """Return what is known of a host, from this process's copy."""
        if self._read_at is None:
            await on_loop(self._loop, self._begin)
        elif time.monotonic() - self._read_at > POLL_SECONDS:
            self._loop.call_soon_threadsafe(self._refresh)
        return self._states.get(host)

    async def tell(self, host: str, fact: HostFact) -> HostReply:
        """Tell the store, or ask it. Raises StoreError."""

        async def told() -> HostReply:
            (reply,) = await self._store.write([TellHost(host, fact)])
            assert isinstance(reply, HostReply)
            self._states[host] = reply.state
            return reply

        return await on_loop(self._loop, told)

    async def contract(self, host: str, endpoint: str) -> ContractRecord | None:
        """Return what the fleet has learned, from this process's copy. Raises StoreError."""
        known = self._contracts.get((host, endpoint))
        if known is not None and time.monotonic() - known[0] <= POLL_SECONDS:
            return known[1]

        async def read() -> ContractRecord | None:
            begun = time.monotonic()
            found = await self._store.contract(host, endpoint)
            self._contracts[host, endpoint] = (begun, found)
            return found

        return await on_loop(self._loop, read)

    async def contract_versions(self, host: str, endpoint: str) -> list[ContractRecord]:
        """Return what the store keeps of a contract. Raises StoreError."""
        return await on_loop(self._loop, lambda: self._store.contract_versions(host, endpoint))

    async def keep_contract(self, record: ContractRecord) -> bool:
        """Keep what was learned in the store. Raises StoreError."""

        async def keep() -> bool:
            (is_kept,) = await self._store.write([KeepContract(record)])
            self._contracts.pop((record.host, record.endpoint), None)
            return bool(is_kept)

        return await on_loop(self._loop, keep)

    async def note_retirement(self, retirement: NoteRetirement) -> bool:
        """Note what a host gives up in the store. Raises StoreError."""

        async def note() -> bool:
            (is_news,) = await self._store.write([retirement])
            return bool(is_news)

        return await on_loop(self._loop, note)

    async def close(self) -> None:
        """Stop listening. Called on the store's loop."""
        if self._stop is not None:
            self._stop()
            self._stop = None
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    # -----------------------------------------------------------------------------------------------------------------

    async def _begin(self) -> None:
        if self._stop is None:
            self._stop = self._bus.listen(self._rung)
        self._refresh()
        assert self._reading is not None
        await asyncio.shield(self._reading)

    def _rung(self, topics: frozenset[str]) -> None:
        if HOSTS in topics:
            self._refresh()
        if CONTRACTS in topics:
            self._contracts.clear()

    def _refresh(self) -> None:
        if self._reading is None or self._reading.done():
            self._reading = self._loop.create_task(self._read(), name="holdfast hosts")
        else:
            self._again = True

    async def _read(self) -> None:
        while True:
            self._again = False
            try:
                records = await self._store.hosts()
            except HoldfastError as error:  # what is known stays; the next look tries again
                warn_of(log, "what the fleet knows of hosts could not be read", error)
                self._read_at = time.monotonic()
                return
            self._states = {each.host: each.state for each in records}
            self._read_at = time.monotonic()
            if not self._again:
                return


@dataclass(frozen=True, slots=True)
class Outbound:
    """What calls find where they are made."""

    board: Board
    reach: Reach
    """Where they may go besides public addresses, as far as the settings say."""


outbound: Final[Served[Outbound]] = Served()
"""What the tasks of this process find."""
_alone: Final = Outbound(LocalBoard(), Reach())


def outbound_here(*, is_task: bool) -> Outbound:
    """Return what a call finds: in a task what its store knows, elsewhere what this process knows."""
    return (outbound.newest() if is_task else None) or _alone
