"""`map_tasks` on Temporal: items in chunks, which go on where they were and stay inside Temporal's limits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from holdfast.errors import FanOutError, RunFailedError
from holdfast.history import Failure, RetryPolicy, TaskOptions
from holdfast.ports.task import AttemptOutcome, PutOff, TaskCall
from holdfast.temporal.chunks import DEATHS_MAX, ChunkRun, ChunkUnfinishedError
from holdfast.temporal.mapping import (
    DONE_BYTES_MAX,
    RESULT_BYTES_MAX,
    Chunk,
    Item,
    Progress,
    decode_end,
    read_progress,
)
from tests.servers.temporal import Temporal
from tests.temporal.runs import mapped, spoilt
from tests.temporal.test_runs import on_temporal

Answer = bytes | Failure
COUNT = 10_000


class Runner:
    """Ends each attempt at once, as it is told."""

    enter = None

    def __init__(self, answer: Callable[[TaskCall], Answer]) -> None:
        self.calls: list[TaskCall] = []
        self._answer = answer

    def knows(self, _: str) -> bool:
        """Know everything."""
        return True

    def is_quick(self, *_: Any) -> bool:
        """Be quick."""
        return True

    def start(self, call: TaskCall, done: Callable[[TaskCall, AttemptOutcome], None]) -> None:
        """End the attempt."""
        self.calls.append(call)
        answer = self._answer(call)
        result, failure = (answer, None) if isinstance(answer, bytes) else (None, answer)
        done(call, AttemptOutcome(0.0, 0.0, result, failure))


def chunk_run(runner: Runner, count: int, progress: Progress | None = None, attempt: int = 1, **more: Any) -> ChunkRun:
    """Return an attempt at a chunk of so many items, whose inputs are their numbers."""
    options = TaskOptions(retry=RetryPolicy(attempts=2, initial=1.0))
    values: dict[str, Any] = {"failures_max": -1, "report": lambda: None, "is_stopping": lambda: False, **more}
    return ChunkRun(
        pattern=TaskCall("run", "run", "map#1", "double", b"null", options, "", attempt, attempt),
        chunk=Chunk(tuple(Item(each, 1, msgspec.Raw(b"%d" % each)) for each in range(count))),
        progress=progress or Progress(),
        runner=runner,
        jitter=lambda: 0.5,
        wait=lambda ended, _: asyncio.wait_for(ended, None),
        **values,
    )


def reported(run: ChunkRun) -> Progress:
    """Return what the next attempt reads of what this one has reported."""
    return read_progress(json.loads(run.details))


def test_items_have_keys_and_steps_of_their_own() -> None:
    """The same as on the embedded engine, whichever chunk they are in."""
    runner = Runner(lambda call: call.input)
    end = decode_end(asyncio.run(chunk_run(runner, 2).run()))
    assert [(each.index, each.ok, bytes(each.body)) for each in end.done] == [(0, True, b"0"), (1, True, b"1")]
    said = [(each.step, each.idempotency_key, each.attempt) for each in runner.calls]
    assert said == [("map#1[0]", "run/map#1[0]", 1), ("map#1[1]", "run/map#1[1]", 1)]


def test_what_failed_is_tried_again_after_the_others_and_nothing_else_is() -> None:
    """The attempt at the chunk ends meanwhile, and the next one counts on for the items that failed alone."""
    first = Runner(lambda call: Failure("ValueError", "odd") if int(call.input) % 2 else call.input)
    run = chunk_run(first, 4)
    with pytest.raises(ChunkUnfinishedError) as caught:
        asyncio.run(run.run())
    assert caught.value.seconds == 0.5
    run = chunk_run(first, 4, reported(run), attempt=2)
    end = decode_end(asyncio.run(run.run()))
    assert [(each.step, each.attempt) for each in first.calls[4:]] == [("map#1[1]", 2), ("map#1[3]", 2)]
    assert {each.index: each.ok for each in end.done} == {0: True, 1: False, 2: True, 3: False}


def test_what_was_told_to_come_later_has_not_used_an_attempt() -> None:
    """As on the embedded engine."""
    runner = Runner(lambda _: PutOff("RateLimited", "slowly", seconds=7.0))
    run = chunk_run(runner, 1)
    with pytest.raises(ChunkUnfinishedError) as caught:
        asyncio.run(run.run())
    assert (caught.value.seconds, reported(run).left[0].attempt) == (7.0, 1)


def test_another_worker_goes_on_where_the_last_report_says() -> None:
    """Items with an outcome are not run again, those without one are, in the attempt in which they were."""
    details: list[bytes] = []

    def answer(call: TaskCall) -> Answer:
        if int(call.input) == 3:
            raise KeyboardInterrupt  # the worker dies
        return call.input

    dying = chunk_run(Runner(answer), 5, report=lambda: details.append(dying.details))
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(dying.run())
    other = Runner(lambda call: call.input)
    end = decode_end(asyncio.run(chunk_run(other, 5, read_progress(json.loads(details[-1])), attempt=2).run()))
    assert [(each.step, each.attempt) for each in other.calls] == [("map#1[3]", 1), ("map#1[4]", 1)]
    assert [bytes(each.body) for each in end.done] == [b"0", b"1", b"2", b"3", b"4"]


def test_a_chunk_that_kills_its_workers_ends() -> None:
    """Deaths in a row are counted, from the last time that something was done."""
    runner = Runner(lambda call: call.input)
    asyncio.run(chunk_run(runner, 1, attempt=DEATHS_MAX + 1).run())
    assert len(runner.calls) == 1
    end = decode_end(asyncio.run(chunk_run(runner, 1, attempt=DEATHS_MAX + 2).run()))
    assert (len(runner.calls), end.done[0].ok) == (1, False)
    asyncio.run(chunk_run(runner, 1, Progress(clean=3), attempt=DEATHS_MAX + 2).run())
    assert len(runner.calls) == 2


def test_a_chunk_that_is_full_leaves_the_rest_to_the_next() -> None:
    """So that what it says is never longer than Temporal takes; one result that is too long is a failure."""
    runner = Runner(lambda _: b'"%b"' % (b"x" * DONE_BYTES_MAX))
    end = decode_end(asyncio.run(chunk_run(runner, 3).run()))
    assert ([each.index for each in end.done], [each.index for each in end.left]) == ([0], [1, 2])
    runner = Runner(lambda _: b'"%b"' % (b"x" * RESULT_BYTES_MAX))
    end = decode_end(asyncio.run(chunk_run(runner, 1).run()))
    assert b"RESULT_BYTES_MAX" in bytes(end.done[0].body)


def test_a_chunk_stops_when_more_failed_than_may_and_when_its_worker_ends() -> None:
    """Nothing that nobody wants is begun."""
    failing = Runner(lambda _: Failure("TypeError", "never"))
    asyncio.run(chunk_run(failing, 3, failures_max=0).run())
    assert len(failing.calls) == 1
    with pytest.raises(ChunkUnfinishedError):
        asyncio.run(chunk_run(Runner(lambda call: call.input), 3, is_stopping=lambda: True).run())


def test_many_items_fit_one_history(temporal_server: Temporal, tmp_path: Path) -> None:
    """Ten thousand leave fewer than 2,000 events, none at all are fine, and one too many failures gives up."""

    async def body(app: Any) -> None:
        handle = await app.client.start(mapped, COUNT, id="mapped")
        assert await handle.result() == [COUNT, sum(range(COUNT)) * 2, 0]
        assert (await handle.describe()).last_event < 2_000
        assert await (await app.client.start(mapped, 0, id="none")).result() == [0, 0, 0]
        failed = await app.client.start(spoilt, 600, id="spoilt")
        with pytest.raises(RunFailedError) as caught:
            await failed.result()
        assert (caught.value.type, "item 7" in caught.value.text) == (FanOutError.__name__, True)

    on_temporal(temporal_server, tmp_path, body)
