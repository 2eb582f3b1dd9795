"""Whatever is written to both stores, in whatever batches, is answered alike by both, and comes to the same."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from holdfast.errors import HoldfastError
from holdfast.history import Limits, RateUse
from holdfast.ports.operations import (
    COMPLETED,
    Append,
    BeatTasks,
    ClaimRuns,
    ClaimTasks,
    Closing,
    Deliver,
    FinishOwnTask,
    FinishTask,
    Membership,
    Operation,
    Pause,
    QueueTask,
    ReleaseRuns,
    ReleaseTasks,
    Resume,
    RetryTask,
    StartRun,
)
from holdfast.ports.store import Store
from holdfast.stores import PostgresStore, SQLiteStore
from holdfast.testing.conformance.store.harness import History, join

RUNS = ("a", "b", "c", "d", "e", "f", "g", "h")
STEPS = ("s", "t", "placed", "rated")
LIMITS = {"placed": Limits("crm", 2, "k"), "rated": Limits(rates=(RateUse("api", 60, 10.0), RateUse("more", 50, 10.0)))}
MEMBERS = 2
BATCHES = 25
SEEDS = range(146, 152)

Word = tuple[Any, ...]
"""An operation as both stores are told it: its name, and names of runs and steps instead of ids."""


@dataclass
class Side:
    """One of the stores, and what it calls things."""

    store: Store
    members: list[Membership] = field(default_factory=list)
    executions: dict[str, int] = field(default_factory=dict)
    histories: dict[str, History] = field(default_factory=dict)
    claims: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    """(run, step) to (task id, token) of the newest claim."""
    owned: dict[str, int] = field(default_factory=dict)
    """Run to the member that owns it, as far as it was told."""
    held: dict[tuple[str, str], int] = field(default_factory=dict)
    """(run, step) to the member that claimed it last."""

    def operation(self, word: Word, offered: dict[str, int]) -> Operation:
        """Return the operation that a word means here; `offered` counts pages of this batch by run."""
        match word:
            case ("start", run, own):
                return StartRun(run, "W", b"i", History().page(), own=own)
            case ("append", run, ends, read, queued, own, unqueued, wake):
                history = self.histories.get(run) or History()
                page = _after(history, offered.get(run, 0), closing=ends)
                offered[run] = offered.get(run, 0) + 1
                return Append(
                    self.executions.get(run, 0),
                    page,
                    closing=Closing(COMPLETED, b"") if ends else None,
                    inbox_read=2**62 if read else 0,
                    queue=tuple(_task(step, own=own) for step in queued),
                    unqueue=unqueued,
                    wake_changed=wake,
                    wake_at=5.0 if wake else None,
                )
            case ("deliver", run, kind, operation_id):
                return Deliver(run, kind, "n", b"", operation_id)
            case ("claim", limit):
                return ClaimRuns(("W",), limit)
            case ("release", run, ready):
                return ReleaseRuns((self.executions.get(run, 0),), ready)
            case ("claim_tasks", limit):
                return ClaimTasks((("p", limit), ("q", limit)), ("t",))
            case ("finish", run, step):
                return FinishTask(*self.claims.get((run, step), (0, 0)), b"x", self.executions.get(run, 0), step)
            case ("finish_own", run, step):
                return FinishOwnTask(self.executions.get(run, 0), step, 1, b"x")
            case ("retry", run, step):
                return RetryTask(*self.claims.get((run, step), (0, 0)), 0.0, b"f", self.executions.get(run, 0), step)
            case ("give_back", run, step):
                return ReleaseTasks((self.claims.get((run, step), (0, 0))[0],))
            case ("beat", run, step):
                return BeatTasks(((*self.claims.get((run, step), (0, 0)), b"1"),))
            case ("pause", run):
                return Pause(run, "me", "why")
            case ("resume", run):
                return Resume(run)
        raise AssertionError(word)

    async def write(self, words: list[Word], writer: int | None) -> list[Any]:
        """Write a batch; return what came of it, in words."""
        offered: dict[str, int] = {}
        operations = [self.operation(word, offered) for word in words]
        membership = None if writer is None else self.members[writer]
        results = await self.store.write(operations, membership)
        for word, result in zip(words, results, strict=True):
            self._note(word, result, writer)
        return [
            self._in_words(word, operation, result)
            for word, operation, result in zip(words, operations, results, strict=True)
        ]

    def _note(self, word: Word, result: Any, writer: int | None) -> None:
        """Note who has what, so that there is something to be done with it."""
        if isinstance(result, HoldfastError) or writer is None:
            return
        match word:
            case ("start", run, True) if result.created:
                self.owned[run] = writer
            case ("claim", _):
                self.owned.update((each.run_id, writer) for each in result)
            case ("claim_tasks", _):
                self.held.update(((each.run_id, each.step), writer) for each in result)
            case ("release" | "pause", run, *_):
                self.owned.pop(run, None)

    def _in_words(self, word: Word, operation: Operation, result: Any) -> Any:
        if isinstance(result, HoldfastError):
            return type(result).__name__
        match operation:
            case StartRun():
                self.executions[word[1]] = result.execution_id
                if result.created:
                    history = self.histories[word[1]] = History()
                    history.keep(operation.page)
                return (result.created, result.status)
            case Append():
                assert operation.page is not None
                self.histories[word[1]].keep(operation.page)
                return result
            case Deliver():
                return (bool(result.inbox_id), self._member(result.owner))
            case ClaimRuns():
                return [(each.run_id, each.recoveries) for each in result]
            case ClaimTasks():
                for each in result:
                    self.claims[each.run_id, each.step] = (each.task_id, each.token)
                return [(each.run_id, each.step, each.attempt) for each in result]
            case BeatTasks():
                return len(result)
        return result

    def _member(self, number: int | None) -> int | None:
        return next((place for place, each in enumerate(self.members) if each.member == number), None)

    async def look(self) -> list[Any]:
        """Return everything that can be read, in words."""
        seen: list[Any] = [(await self.store.totals()).runs]
        for run in RUNS:
            record = await self.store.run(run)
            if record is None:
                seen.append(None)
                continue
            execution = record.execution_id
            seen.append((record.status, record.owner, record.last_event, record.wake_at, record.recoveries))
            seen.append([(page.first, page.last, page.hash) for page in await self.store.pages(execution)])
            seen.append([(row.kind, row.name, row.operation_id) for row in await self.store.execution_inbox(execution)])
            queue = await self.store.queue(execution)
            seen.append([(each.step, each.attempt, each.owner, each.line) for each in queue])
        seen.append(sorted(map(repr, await self.store.limits())))
        mail = [await self.store.inbox(membership) for membership in self.members]
        return [*seen, [[(row.kind, row.name, row.operation_id) for row in rows] for rows in mail]]


def _task(step: str, *, own: bool) -> QueueTask:
    limits = None if own else LIMITS.get(step)
    return QueueTask(step, "t", b"", "p" if limits is None else "q", 0, b"", own=own, limits=limits)


def _after(history: History, pages: int, *, closing: bool) -> Any:
    """Return the next page after so many more that are on their way."""
    ahead = History()
    ahead.pages, ahead.last = list(history.pages), history.last
    for _ in range(pages):
        ahead.keep(ahead.page())
    return ahead.page(closing=closing)


def draw(dice: random.Random, writer: int | None, side: Side) -> Word:
    """Draw an operation, most of the time one that makes sense for the writer."""
    run, step = dice.choice(RUNS), dice.choice(STEPS)
    owned = [each for each, owner in side.owned.items() if owner == writer]
    held = [each for each, owner in side.held.items() if owner == writer]
    if owned and dice.random() < 0.8:
        run = dice.choice(owned)
    task = dice.choice(held) if held and dice.random() < 0.8 else (run, step)
    some = tuple(each for each in STEPS if dice.random() < 0.4)
    words: tuple[tuple[int, Word], ...] = (
        (4, ("start", dice.choice(RUNS), dice.random() < 0.7)),
        (4, ("append", run, False, dice.random() < 0.5, some, False, (), False)),
        (2, ("append", run, False, False, some, True, (), False)),
        (2, ("append", run, False, False, (), False, some, dice.random() < 0.5)),
        (1, ("append", run, True, dice.random() < 0.8, (), False, (), False)),
        (3, ("deliver", dice.choice(RUNS), "signal", f"op{dice.randrange(20)}")),
        (1, ("deliver", run, "terminate", "end") if dice.random() < 0.2 else ("beat", *task)),
        (3, ("claim", dice.randrange(1, 4))),
        (2, ("release", run, dice.random() < 0.5)),
        (5, ("claim_tasks", dice.randrange(1, 5))),
        (6, ("finish", *task)),
        (2, ("finish_own", run, step)),
        (2, ("retry", *task)),
        (1, ("give_back", *task)),
        (1, ("pause", run) if dice.random() < 0.4 else ("resume", run)),
    )
    return dice.choices([word for _, word in words], [weight for weight, _ in words])[0]


@pytest.mark.parametrize("seed", SEEDS)
def test_both_stores_answer_alike(seed: int, dsn: str, tmp_path: Path) -> None:
    """Batches of any operations, by members and by nobody, have the same results, and leave the same behind."""

    class Clock:
        def now(self) -> float:
            return 1_000.0

    async def run() -> None:
        dice = random.Random(seed)
        file = SQLiteStore(tmp_path / "store.db", clock=Clock(), synchronous="NORMAL")
        server = PostgresStore(dsn, clock=Clock(), read_connections=1)
        sides = [Side(file), Side(server)]
        try:
            for side in sides:
                await side.store.open()
                side.members = [await join(side.store, f"m{number}") for number in range(MEMBERS)]
            said: list[Any] = []
            for _ in range(BATCHES):
                writer = dice.choice((0, 0, 1, 1, None))
                words = [draw(dice, writer, sides[0]) for _ in range(dice.choice((1, 2, 3, 8)))]
                said.append((writer, words))
                ours, theirs = [await side.write(words, writer) for side in sides]
                assert ours == theirs, said
            assert await sides[0].look() == await sides[1].look(), said
        finally:
            for side in sides:
                await side.store.close()

    asyncio.run(run())
