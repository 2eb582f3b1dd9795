"""The fleet: who works, what waits, what is locked.

Owns: these lists, taking a lock from its holder, and what people decide about pools.
Must not know: HTTP, runs.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from holdfast.controller.actors import store_of
from holdfast.controller.documents import (
    BrokenLock,
    ContractList,
    LearnedContract,
    LimitList,
    LockList,
    Pool,
    PoolList,
    WorkerList,
    contract_document,
    limit_document,
    lock_document,
    pool_document,
    retirement_document,
    worker_document,
)
from holdfast.errors import InputError, NotOnEngineError, UnknownNameError
from holdfast.history import check_identifier
from holdfast.ports.engine import Cluster
from holdfast.ports.operations import (
    BreakLock,
    LimitPool,
    PausePool,
    PoolRecord,
    RelearnContract,
    ResumePool,
    SetLimit,
)
from holdfast.ports.store import Store

DRAIN_LOOK_SECONDS: Final = 0.2
"""How often a drain looks."""


class Fleet:
    """The members, pools, locks and limits of a store, as documents."""

    def __init__(self, store: Store, cluster: Cluster | None = None) -> None:
        """Read `store`; where runs are on a `cluster`, there is nothing in it of who works, and of what waits."""
        self._store = store
        self._cluster = cluster

    def _check_here(self, what: str) -> None:
        if self._cluster is not None:
            raise NotOnEngineError(what, self._cluster.engine, instead=f"Ask {self._cluster.engine}: it has them.")

    async def workers(self) -> WorkerList:
        """Return all members that did not leave, newest first. Raises NotOnEngineError."""
        self._check_here("list of workers")
        return WorkerList(workers=[worker_document(each) for each in await self._store.members()])

    async def pools(self) -> PoolList:
        """Return every pool that has work or somebody to do it. Raises NotOnEngineError."""
        self._check_here("list of pools")
        return PoolList(pools=[pool_document(each) for each in await self._store.pools()])

    async def pool(self, name: str) -> Pool:
        """Return one pool, also one of which nothing is known. Raises NotOnEngineError."""
        self._check_here("pool of tasks that can be looked at or limited")
        found = next((each for each in await self._store.pools() if each.pool == name), None)
        return pool_document(found or PoolRecord(name, 0, 0, 0.0, 0))

    async def pause_pool(self, name: str, reason: str, by: str = "") -> Pool:
        """Let nothing of a pool be taken; what is under way goes on. `by` is who does it. Raises NotOnEngineError."""
        self._check_here("pool that can be paused")
        await store_of(self._store, by).write([PausePool(name, by, reason)])
        return await self.pool(name)

    async def resume_pool(self, name: str, by: str = "") -> Pool:
        """Let a pool be served again; `by` is who does it. Raises NotOnEngineError."""
        self._check_here("pool that can be resumed")
        await store_of(self._store, by).write([ResumePool(name, by)])
        return await self.pool(name)

    async def limit_pool(self, name: str, limit: int | None, by: str = "") -> Pool:
        """Let so many tasks of a pool be under way at once; None lifts the limit. `by` is who does it.

        Raises:
            NotOnEngineError: runs are elsewhere.
        """
        self._check_here("pool that can be limited")
        await store_of(self._store, by).write([LimitPool(name, limit, by)])
        return await self.pool(name)

    async def locks(self) -> LockList:
        """Return every place in every lock's queue."""
        return LockList(locks=[lock_document(each) for each in await self._store.locks()])

    async def limits(self) -> LimitList:
        """Return every limit that somebody holds, every rate, and every host of which anything is known."""
        return LimitList(limits=[limit_document(each) for each in await self._store.limits()])

    async def contracts(self) -> ContractList:
        """Return what the fleet has learned of answers, and what hosts say they give up."""
        contracts, retirements = await self._store.contracts(), await self._store.retirements()
        return ContractList(
            contracts=[contract_document(each) for each in contracts],
            retirements=[retirement_document(each) for each in retirements],
        )

    async def relearn_contract(self, host: str, endpoint: str, by: str = "") -> LearnedContract:
        """Learn a contract anew; `by` is who says so. Raises UnknownNameError."""
        await store_of(self._store, by).write([RelearnContract(host, endpoint, by)])
        found = await self._store.contract(host, endpoint)
        if found is None:
            raise UnknownNameError("contract", f"{host} {endpoint}", remedy="See them: GET /v1/contracts.")
        return contract_document(found)

    async def set_limit(self, kind: str, name: str, amount: float | None, by: str = "") -> LimitList:
        """Let a limit have another figure than tasks say; None lifts it. `by` is who does it. Raises InputError."""
        check_identifier(name, "the name of the limit")
        if kind == "concurrency" and amount is not None and (amount < 1 or amount != int(amount)):
            raise InputError("the limit", (("", f"{amount:g} places are none; give a whole number, or pause a pool"),))
        await store_of(self._store, by).write([SetLimit(kind, name, amount, by)])
        listed = (await self.limits()).limits
        return LimitList(limits=[each for each in listed if (each.kind, each.name) == (kind, name)])

    async def wait_drained(self, name: str, seconds: float) -> Pool:
        """Return a pool as soon as nothing of it is under way, or after so many seconds."""
        found = await self.pool(name)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while found.in_flight:
                    await asyncio.sleep(DRAIN_LOOK_SECONDS)
                    found = await self.pool(name)
        return found

    async def break_lock(self, name: str, by: str = "") -> BrokenLock:
        """Take a lock from its holder by force; `by` is who does it, for the audit log."""
        (holder,) = await store_of(self._store, by).write([BreakLock(name)])
        return BrokenLock(name=name, holder=holder or None)

    async def check_room(self) -> None:
        """Make sure that the store has room for new work. Raises StoreFullError."""
        await self._store.check_room()

    async def orchestrators(self) -> int:
        """Return how many living processes run workflows; raises StoreError when store or cluster is not reached."""
        now = await self._store.now()
        if self._cluster is not None:
            return await self._cluster.orchestrators()
        return sum(
            1
            for each in await self._store.members()
            if each.kind in {"orchestrator", "stack"} and each.expires_at > now
        )
