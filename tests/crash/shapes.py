"""Workflows of every shape a crash may hit, and what each of them must have come to in the end.

Owns: the workflows and tasks, and for each shape: its messages, the steps it must have asked the receiver for, in which
stages, and its result.
Must not know: when or how processes die.

Every task tells the receiver. `draw` gives another value each time it runs, so a step that goes on from a value that
was not durable is seen: the same key then comes with another payload.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from holdfast import Retry, lock, map_tasks, now, signal, task, task_info, update, wait_for_signal, workflow
from holdfast.testing.receiver import Receiver

FOLDER_VARIABLE: Final = "CRASH_RECEIVER"
SENDERS: Final = ("inside", "outside")
SLACK_SECONDS: Final = 1e-5
"""Timestamps are written with microseconds."""


class Job(BaseModel):
    """How much a run does, and how fast."""

    size: int
    pace: float
    """Seconds that tasks and timers take, about."""
    name: str = ""


class NotYetError(Exception):
    """Raised by a task that has had its effect: executed, but reported failed."""


class RefusedError(Exception):
    """Raised by a workflow on purpose."""


# --- Tasks -------------------------------------------------------------------------------------------------------


def receiver() -> Receiver:
    """Return the receiver that the environment names."""
    return Receiver(Path(os.environ[FOLDER_VARIABLE]))


def _apply(payload: str, token: int = 0) -> str:
    info = task_info()
    return receiver().apply(info.idempotency_key, payload, info.attempt, token)


@task
async def draw(label: str) -> str:
    """Return another value each time."""
    info = task_info()
    drawn = f"{label}:{secrets.token_hex(4)}"
    receiver().note(info.idempotency_key, drawn, info.attempt)
    return drawn


@task
async def apply(payload: str, pace: float = 0.0) -> str:
    """Have an effect, some time after the start and some time before the end."""
    if pace:
        await asyncio.sleep(pace / 2)
    applied = _apply(payload)
    if pace:
        await asyncio.sleep(pace / 2)
    return applied


@task
def apply_in_thread(payload: str, pace: float) -> str:
    """Have an effect, in a thread, and take so long that the call is recorded first."""
    time.sleep(pace)  # a slow library
    return _apply(payload)


@task(record="before")
async def apply_recorded(payload: str) -> str:
    """Have an effect, after the call was recorded."""
    return _apply(payload)


@task(retry=Retry(attempts=20, initial="20ms", maximum="40ms"))
async def apply_twice(payload: str) -> str:
    """Have an effect, and fail the first time nevertheless."""
    applied = _apply(payload)
    if task_info().attempt == 1:
        raise NotYetError(payload)
    return applied


@task(isolation="process", timeout="60s")
def apply_apart(payload: str) -> str:
    """Have an effect, in a process of its own."""
    return _apply(payload)


@task
async def apply_fenced(payload: str, token: int) -> str:
    """Have an effect under a lock."""
    return _apply(payload, token)


# --- Workflows ---------------------------------------------------------------------------------------------------


@workflow
async def sequence(job: Job) -> list[str]:
    """Do one thing after another."""
    return [await apply(await draw(str(index)), job.pace) for index in range(job.size)]


@workflow
async def gathered(job: Job) -> list[str]:
    """Do many things at once, twice."""
    drawn = await asyncio.gather(*(draw(str(index)) for index in range(job.size)))
    return await asyncio.gather(*(apply(each, job.pace) for each in drawn))


@workflow
async def naps(job: Job) -> list[str]:
    """Sleep between steps; no timer may fire early."""
    applied = []
    for index in range(job.size):
        before = now()
        await asyncio.sleep(job.pace)
        if (now() - before).total_seconds() < job.pace - SLACK_SECONDS:
            raise RefusedError(f"timer {index} of {job.pace:g} s fired early")
        applied.append(await apply(str(index)))
    return applied


@workflow
class Collect:
    """Apply what signals say, in the order in which they come, until there were enough."""

    def __init__(self) -> None:
        self.words: asyncio.Queue[str] = asyncio.Queue()

    async def run(self, job: Job) -> list[str]:
        """Take words."""
        return [await apply(await self.words.get(), job.pace) for _ in range(job.size)]

    @signal
    def say(self, word: str) -> None:
        """Take a word."""
        self.words.put_nowait(word)


@workflow
class Count:
    """Apply what updates say, and answer each with its place."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.answered = 0
        self.changed = asyncio.Event()

    async def run(self, job: Job) -> list[str]:
        """Wait until there were enough."""
        while self.answered < job.size:
            self.changed.clear()
            await self.changed.wait()
        return self.words

    @update
    async def add(self, word: str) -> int:
        """Take a word; return how many came before it."""
        place = len(self.words)
        self.words.append(word)
        await apply(word)
        self.answered += 1
        self.changed.set()
        return place


@workflow
async def mapped(job: Job) -> list[str]:
    """Do one thing for each of many items."""
    return list(await map_tasks(apply, [str(index) for index in range(job.size)]))


@workflow
async def guarded(job: Job) -> list[str]:
    """Do two things under a lock that others want too."""
    applied = []
    async with lock(job.name) as held:
        for index in range(job.size):
            applied.append(await apply_fenced(f"{job.name} {index}", held.token))
            await asyncio.sleep(job.pace / 4)
    return applied


@workflow
async def mixed(job: Job) -> list[str]:
    """Do everything at once."""

    async def chain(label: str) -> list[str]:
        return [await apply(f"{label} {index}", job.pace) for index in range(job.size)]

    async def give_up() -> list[str]:
        try:
            async with asyncio.timeout(job.pace):
                await wait_for_signal("never")
        except TimeoutError:
            return [await apply("timed out")]
        raise RefusedError("a signal that nobody sent")

    async with asyncio.TaskGroup() as group:
        parts = [group.create_task(chain("left")), group.create_task(chain("right")), group.create_task(give_up())]
        slow = apply_in_thread("slow", 0.06 + job.pace)
        recorded = apply_recorded("recorded")
        twice = apply_twice("twice")
        singles = [await slow, await recorded, await twice]
    return sorted([*(word for part in parts for word in part.result()), *singles])


@workflow
async def apart(job: Job) -> list[str]:
    """Do a thing in another process."""
    return [await apply_apart(job.name)]


@workflow
async def stopped(job: Job) -> list[str]:
    """Wait until cancelled, and then undo what was done."""
    try:
        await wait_for_signal("never")
    except asyncio.CancelledError:
        await apply(await apply("undone"), job.pace)
        raise
    raise RefusedError("a signal that nobody sent")


@workflow
async def failing(job: Job) -> list[str]:
    """Do something and fail."""
    raise RefusedError(await apply("before the end", job.pace))


DEFINITIONS: Final = (
    draw,
    apply,
    apply_in_thread,
    apply_recorded,
    apply_twice,
    apply_apart,
    apply_fenced,
    sequence,
    gathered,
    naps,
    Collect,
    Count,
    mapped,
    guarded,
    mixed,
    apart,
    stopped,
    failing,
)


# --- What is expected --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Message:
    """Something sent to a run. Messages of one sender go out in order, each after the one before was acknowledged."""

    kind: str
    """`signal`, `update` or `cancel`."""
    sender: str
    word: str
    operation_id: str


@dataclass(frozen=True, slots=True)
class Piece:
    """One run: who starts it, what it is and what it is sent."""

    run_id: str
    shape: str
    job: Job
    starter: str
    """The sender that starts it."""
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Expected:
    """What a run must have come to."""

    stages: list[list[str]]
    """Steps that ask the receiver. No step of a stage is asked for again once one of the next stage was."""
    result: Callable[[dict[str, str]], Any] | None
    """From the payload applied for each step to the run's result; None where the run's messages decide."""
    status: str = "COMPLETED"
    noted: frozenset[str] = frozenset()
    """Steps that only note their request."""
    repeated: frozenset[str] = frozenset()
    """Steps that are tried again although nothing died."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of run."""

    definition: Any
    expect: Callable[[Job], Expected]
    size: tuple[int, int] = (3, 8)
    weight: int = 10
    messages: Callable[[str, Job], Iterator[Message]] = field(default=lambda *_: iter(()))


def numbered(name: str, count: int) -> list[str]:
    """Return the names of the first `count` steps called `name`."""
    return [f"{name}#{index}" for index in range(1, count + 1)]


def _in_order(steps: Sequence[str]) -> Callable[[dict[str, str]], list[str]]:
    return lambda applied: [applied.get(step, "") for step in steps]


def _expect_sequence(job: Job) -> Expected:
    draws, applies = numbered("draw", job.size), numbered("apply", job.size)
    stages = [[step] for pair in zip(draws, applies, strict=True) for step in pair]
    return Expected(stages, _in_order(applies), noted=frozenset(draws))


def _expect_gathered(job: Job) -> Expected:
    draws, applies = numbered("draw", job.size), numbered("apply", job.size)
    return Expected([draws, applies], _in_order(applies), noted=frozenset(draws))


def _expect_chain(job: Job) -> Expected:
    steps = numbered("apply", job.size)
    return Expected([[step] for step in steps], _in_order(steps))


def _expect_collect(job: Job) -> Expected:
    return _expect_chain(job)


def _expect_count(job: Job) -> Expected:
    return Expected([numbered("apply", job.size)], None)


def _expect_mapped(job: Job) -> Expected:
    steps = [f"map#1[{index}]" for index in range(job.size)]
    return Expected([steps], _in_order(steps))


def _expect_guarded(job: Job) -> Expected:
    steps = numbered("apply_fenced", job.size)
    return Expected([[step] for step in steps], _in_order(steps))


def _expect_mixed(job: Job) -> Expected:
    steps = [*numbered("apply", 2 * job.size + 1), "apply_in_thread#1", "apply_recorded#1", "apply_twice#1"]
    return Expected([steps], lambda applied: sorted(applied.values()), repeated=frozenset({"apply_twice#1"}))


def _expect_apart(_: Job) -> Expected:
    return Expected([["apply_apart#1"]], _in_order(["apply_apart#1"]))


def _expect_stopped(_: Job) -> Expected:
    return Expected([["apply#1"], ["apply#2"]], None, "CANCELLED")


def _expect_failing(_: Job) -> Expected:
    return Expected([["apply#1"]], None, "FAILED")


def _signals(run_id: str, job: Job) -> Iterator[Message]:
    # More than the run waits for: some arrive as it ends, and are taken or refused, but never lost.
    for sender in SENDERS:
        for index in range(job.size):
            yield Message("signal", sender, f"{sender} {index}", f"{run_id}/{sender}/{index}")


def _updates(run_id: str, job: Job) -> Iterator[Message]:
    for index in range(job.size):
        sender = SENDERS[index % 2]
        yield Message("update", sender, f"{sender} {index}", f"{run_id}/{sender}/{index}")


def _cancellation(run_id: str, _: Job) -> Iterator[Message]:
    yield Message("cancel", SENDERS[len(run_id) % 2], "enough", f"{run_id}/cancel")


SHAPES: Final[dict[str, Shape]] = {
    "sequence": Shape(sequence, _expect_sequence, weight=20),
    "gathered": Shape(gathered, _expect_gathered),
    "naps": Shape(naps, _expect_chain),
    "collect": Shape(Collect, _expect_collect, messages=_signals),
    "count": Shape(Count, _expect_count, messages=_updates),
    "mapped": Shape(mapped, _expect_mapped, size=(5, 60)),
    "guarded": Shape(guarded, _expect_guarded, size=(2, 3)),
    "mixed": Shape(mixed, _expect_mixed, size=(2, 4)),
    "apart": Shape(apart, _expect_apart, size=(1, 1), weight=1),
    "stopped": Shape(stopped, _expect_stopped, size=(1, 1), weight=4, messages=_cancellation),
    "failing": Shape(failing, _expect_failing, size=(1, 1), weight=3),
}
