"""The demo's run: workers map the job over the documents, one of them is killed, and the store proves the rest.

Owns: what happens in which order, and the account of it.
Must not know: how it is shown; it tells a `Spectator`.
"""

from __future__ import annotations

import asyncio
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol

import msgspec

from holdfast.app import Holdfast, Settings
from holdfast.client import RunHandle
from holdfast.demo.corpus import Corpus
from holdfast.demo.crew import Crew
from holdfast.demo.document import DocumentResult, analyse
from holdfast.demo.job import Job, catalogue, catalogue_all, count_cards
from holdfast.demo.proof import Kill, Proof, Sample
from holdfast.demo.reference import Reference
from holdfast.errors import StoreError
from holdfast.ports.operations import COMPLETED, FanOutRecord
from holdfast.ports.store import Store

RUN_ID: Final = "catalogue"
LEASE_SECONDS: Final = 2.0
"""Short, so that the take-over is seen. The default of a production system is 15 seconds."""
LOOK_SECONDS: Final = 0.2
KILL_AT: Final = 0.3
"""Share of documents after which a worker is killed."""
SLOTS: Final = 1
SAMPLE_DOCUMENTS: Final = 150
"""How many documents the sequential estimate is measured on."""
OUTCOMES_READ: Final = 1_000


class Spectator(Protocol):
    """Is told what happens."""

    def working(self, workers: Sequence[int]) -> None:
        """Hear that the workers with these process ids were started."""

    def progress(self, done: int, count: int) -> None:
        """Hear that so many of `count` documents have a durable result."""

    def killing(self, kill: Kill) -> None:
        """Hear that a worker that holds documents is killed now."""

    def taken_over(self, kill: Kill, replacement: int) -> None:
        """Hear that another worker has its documents; a new process was started in its place."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done. `folder` takes the database, the cards and the workers' logs."""

    corpus: Corpus
    folder: Path
    workers: int

    @property
    def store(self) -> str:
        """The store's address."""
        return f"sqlite:///{self.folder / 'holdfast.db'}"

    @property
    def cards(self) -> Path:
        """The folder with the cards."""
        return self.folder / "cards"


@dataclass(slots=True)
class Account:
    """What was seen while the run went on."""

    samples: list[Sample] = field(default_factory=list)
    kill: Kill | None = None
    seconds: float = 0.0


async def perform(plan: Plan, spectator: Spectator) -> tuple[Proof, list[tuple[Reference, DocumentResult]]]:
    """Run the demo; return the proof and every document with its result, both read back from the store.

    Raises:
        StoreError: a worker process ended by itself.
    """
    plan.cards.mkdir(parents=True)
    estimate = measure_sequential(plan.corpus.documents)
    settings = Settings(store=plan.store, lease_seconds=LEASE_SECONDS, pools={"default": 4})
    app = Holdfast(definitions=[catalogue_all, catalogue], settings=settings, roles=("orchestrator",))
    account = Account()
    with Crew(plan.store, plan.folder, lease_seconds=LEASE_SECONDS, slots=SLOTS) as crew:
        async with app:
            spectator.working([crew.hire() for _ in range(plan.workers)])
            started = time.monotonic()
            job = Job(list(plan.corpus.documents), str(plan.cards))
            handle = await app.client.start(catalogue_all, job, id=RUN_ID)
            await _watch(app.stack.store, handle, crew, spectator, account, started)
            await handle.result()
            account.seconds = time.monotonic() - started
            spectator.progress(len(plan.corpus.documents), len(plan.corpus.documents))
            pairs = await read_results(app.stack.store, plan.corpus.documents)
            totals = await app.stack.store.totals()
    account.samples.append(Sample(account.seconds, len(pairs)))
    return _prove(plan, account, len(pairs), sum(totals.runs.values()) - totals.runs.get(COMPLETED, 0), estimate), pairs


def measure_sequential(documents: Sequence[Reference]) -> float:
    """Return the seconds one process would need for all documents, by a sample spread evenly over them."""
    if not documents:
        return 0.0
    step = max(1, len(documents) // SAMPLE_DOCUMENTS)
    sample = documents[::step]
    started = time.perf_counter()
    for each in sample:
        analyse(each)
    return (time.perf_counter() - started) / len(sample) * len(documents)


async def _watch(
    store: Store, handle: RunHandle[int], crew: Crew, spectator: Spectator, account: Account, started: float
) -> None:
    replaced = False
    while True:
        fan_out = await _fan_out(store, handle)
        now = time.monotonic() - started
        if fan_out is not None:
            account.samples.append(Sample(now, fan_out.done))
            spectator.progress(fan_out.done, fan_out.count)
            if account.kill is None and KILL_AT * fan_out.count <= fan_out.done < fan_out.count:
                account.kill = await _kill(store, fan_out, crew, spectator, now)
            elif account.kill is not None and not replaced:
                replaced = await _look_for_taker(store, fan_out, crew, spectator, account, now)
        if (await handle.describe()).closed_at is not None:
            return
        if fallen := crew.fallen():
            raise StoreError(f"worker process {fallen[0]} ended by itself", "Its log lies in the demo's folder.")
        await asyncio.sleep(LOOK_SECONDS)


async def _fan_out(store: Store, handle: RunHandle[int]) -> FanOutRecord | None:
    record = await handle.describe()
    return next(iter(await store.fan_outs(record.execution_id)), None)


async def _kill(store: Store, fan_out: FanOutRecord, crew: Crew, spectator: Spectator, now: float) -> Kill | None:
    held: dict[str, int] = {}
    for chunk in await store.chunks(fan_out.fan_out_id):
        if chunk.owner:
            held[chunk.owner] = held.get(chunk.owner, 0) + chunk.pending
    for name, items in sorted(held.items(), key=lambda each: -each[1]):
        pid = int(name.rpartition(":")[2])
        if pid in crew.pids and items:
            kill = Kill(pid, name, items, now)
            spectator.killing(kill)
            crew.kill(pid)
            return kill
    return None


async def _look_for_taker(
    store: Store, fan_out: FanOutRecord, crew: Crew, spectator: Spectator, account: Account, now: float
) -> bool:
    kill = account.kill
    assert kill is not None
    chunks = await store.chunks(fan_out.fan_out_id)
    if any(each.owner == kill.member for each in chunks):
        return False
    taker = next((each.owner for each in chunks if each.recoveries and each.owner), "")
    if not taker and any(each.recoveries for each in chunks):
        return False  # freed, and waiting for the next claim
    account.kill = replace(kill, taken_over_by=taker or None, taken_over_after_seconds=now - kill.at_seconds)
    spectator.taken_over(account.kill, crew.hire())
    return True


async def read_results(store: Store, documents: Sequence[Reference]) -> list[tuple[Reference, DocumentResult]]:
    """Return each document that has a result in the store, with it."""
    record = await store.run(RUN_ID)
    assert record is not None
    fan_out = next(iter(await store.fan_outs(record.execution_id)))
    pairs: list[tuple[Reference, DocumentResult]] = []
    for start in range(0, len(documents), OUTCOMES_READ):
        stop = min(start + OUTCOMES_READ, len(documents))
        for outcome in await store.outcomes(fan_out.fan_out_id, start, stop):
            if outcome.ok:
                result = msgspec.json.decode(outcome.body, type=DocumentResult)
                pairs.append((documents[outcome.index], result))
    return pairs


def _prove(plan: Plan, account: Account, results: int, lost: int, estimate: float) -> Proof:
    cards = count_cards(plan.cards)
    corpus = plan.corpus
    seconds = account.seconds
    return Proof(
        documents_in=len(corpus.documents),
        results_out=results,
        effects_twice=cards.twice,
        runs_lost=lost,
        seconds=seconds,
        documents_per_second=results / seconds if seconds else 0.0,
        sequential_seconds_estimate=estimate,
        speedup=estimate / seconds if seconds else 0.0,
        workers=plan.workers,
        database=str(plan.folder / "holdfast.db"),
        files=corpus.files,
        sections=corpus.sections,
        killed=(account.kill,) if account.kill is not None else (),
        samples=tuple(account.samples),
        run_id=RUN_ID,
        machine=f"{os.cpu_count()} cores, Python {platform.python_version()}",
        corpus=corpus.describe(),
    )
