"""Writes that were carried out and are reported as failed, under any test.

Owns: which writes, how often, and the count of them.
Must not know: what any test does.

    make test ARGS="--lose-answers 1"                   # seed 1, one write in a hundred
    make test ARGS="--lose-answers 1:0.2 -k ..."        # one in five

Answers are lost in two places, as in life.

**Between a store and its server.** A proxy in front of PostgreSQL carries COMMITs out and cuts the connection instead
of answering. The store has to find out what became of them, and nobody above may notice: every test has to pass. All
processes go by way of the proxy, also those that a test starts.

**Between a store and who writes.** A write is durable, and StoreError is raised. Loops that write for themselves
(an orchestrator, a worker, a notifier) have to go on from there by themselves. Whoever asks on behalf of somebody else
passes the error on, and is asked again under the same name: so that is what happens here, the very same operations are
carried out twice, where they have a name that makes this harmless. A test that writes to a store itself is neither: it
says what the answer has to be, and gets it.

A test marked `undisturbed("why")` says something that is no promise where an answer is lost, such as how many journeys
something takes, or what is done once as long as nobody loses a lease: during it no answer is lost.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from holdfast.errors import StoreError
from holdfast.ports.operations import (
    Answer,
    Append,
    Ask,
    BeatTasks,
    ClaimChunks,
    ClaimNotices,
    ClaimRuns,
    ClaimTasks,
    Deliver,
    FinishOwnTask,
    FinishTask,
    MarkDone,
    Membership,
    Operation,
    Reap,
    RecordItems,
    ReleaseRuns,
    ReleaseTasks,
    RetryOwnTask,
    RetryTask,
    ReturnRequest,
    SettleNotice,
    Started,
    StartRun,
    TakeRequests,
)
from holdfast.stores import PostgresStore, SQLiteStore
from holdfast.stores.group import GroupCommit
from tests.servers.proxy import Fate, Proxy

if TYPE_CHECKING:  # processes that lose answers have no need of pytest, which takes a tenth of their start
    import pytest

    from tests.servers.postgres import Postgres

VARIABLE: Final = "HOLDFAST_TESTS_LOSE_ANSWERS"
"""SEED:SHARE, for processes that a test starts."""
SHARE: Final = 0.01
PROPERTY: Final = "answers lost"

LOOPED: Final = frozenset({
    Answer, Append, BeatTasks, ClaimChunks, ClaimNotices, ClaimRuns, ClaimTasks, FinishOwnTask, FinishTask, Reap,
    RecordItems, ReleaseRuns, ReleaseTasks, RetryOwnTask, RetryTask, ReturnRequest, SettleNotice, TakeRequests,
})  # fmt: skip
"""Written by loops that have to go on by themselves."""
NAMED: Final = frozenset({Ask, Deliver, MarkDone, StartRun})
"""Carried out twice under one name, these are carried out once."""

_PRODUCT: Final = "holdfast."
_STORES: Final = "holdfast.stores."
_GROUPING: Final = "holdfast.stores.group"
"""Writes for others, from a task of its own."""
_TESTS: Final = ("tests.", "holdfast.testing.conformance.store", "holdfast.testing.models")

lost_answers: list[int] = [0]
"""How many answers this process has lost."""
_written_by_tests: set[int] = set()
"""Operations, by their identity, that a test has written to a store that groups writes."""
_undisturbed = threading.Event()
"""Set while no answer is to be lost."""


def lose_answers(seed: int, share: float) -> None:
    """Lose the answers to `share` of all writes from now on, in this process."""
    draw = Random(f"lost answers {seed}")
    for kind in (SQLiteStore, PostgresStore):
        kind.write = lossy_write(kind.write, draw, share)  # type: ignore[method-assign]
    GroupCommit.write = noting_write(GroupCommit.write)  # type: ignore[method-assign]


def lossy_write(write: Any, draw: Random, share: float) -> Any:
    """Return the `write` of a store that loses `share` of its answers, where somebody can go on from there."""

    async def lossy(store: Any, operations: Sequence[Operation], membership: Membership | None = None) -> list[Any]:
        is_ours = _is_written_by_a_test() or any(id(each) in _written_by_tests for each in operations)
        results: list[Any] = await write(store, operations, membership)
        if draw.random() >= share or is_ours or _undisturbed.is_set():
            return results
        kinds = {type(each) for each in operations}
        if kinds <= LOOPED:
            lost_answers[0] += 1
            raise StoreError(f"planted: {len(operations)} operations were carried out, and the answer was lost")
        if kinds <= NAMED and all(map(_is_named, operations)):
            lost_answers[0] += 1
            again = await write(store, operations, membership)
            return [_as_first(*both) for both in zip(results, again, strict=True)]
        return results

    return lossy


def noting_write(write: Any) -> Any:
    """Return the `write` of a store that groups writes, which remembers what tests have written."""

    async def noting(store: Any, operations: Sequence[Operation], membership: Membership | None = None) -> list[Any]:
        ours = {id(each) for each in operations} if _is_written_by_a_test() else set()
        _written_by_tests.update(ours)
        try:
            results: list[Any] = await write(store, operations, membership)
        finally:
            _written_by_tests.difference_update(ours)
        return results

    return noting


def _is_written_by_a_test() -> bool:
    """Say whether whoever called `write`, but for the store's own wrappers, is a test or a check."""
    frame = sys._getframe(2)  # of whoever called `write`
    is_grouped = False
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if not module.startswith(_STORES):
            return module.startswith(_TESTS) or not (is_grouped or module.startswith(_PRODUCT))
        is_grouped = is_grouped or module == _GROUPING
        frame = frame.f_back
    return not is_grouped


def _as_first(first: Any, again: Any) -> Any:
    """Return the second answer. A start finds the run that it has made itself a moment ago: that alone may differ."""
    if isinstance(first, Started) and isinstance(again, Started):
        return replace(again, created=first.created)
    return again


def _is_named(operation: Operation) -> bool:
    """Say whether an operation may come twice. The answer to a callback must not: the second one is told so."""
    if isinstance(operation, Deliver) and operation.once:
        return False
    return bool(getattr(operation, "operation_id", "its run id or entry"))


def lose_as_told() -> None:
    """Lose answers in this process if whoever started it does."""
    if told := os.environ.get(VARIABLE):
        lose_answers(*parse(told))


def parse(text: str) -> tuple[int, float]:
    """Return seed and share. Raises ValueError."""
    seed, _, share = text.partition(":")
    return int(seed), float(share or SHARE)


@contextmanager
def lossy(server: Postgres, told: str) -> Iterator[None]:
    """Have all addresses of a server lead through a proxy that loses answers to COMMIT, if that is `told`."""
    if not told:
        yield
        return
    seed, share = parse(told)
    draw = Random(f"lost commits {seed}")
    began, ended = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    def cast() -> Fate:
        if draw.random() >= share or _undisturbed.is_set():
            return Fate.PASS
        lost_answers[0] += 1
        return Fate.SWALLOW

    async def serve() -> None:
        async with Proxy("127.0.0.1", server.port, cast) as proxy:
            server.door = proxy.port
            began.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), name="losing proxy")
    thread.start()
    began.wait()
    try:
        yield
    finally:
        server.door = 0
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


# --- For pytest ------------------------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let somebody say that answers are lost."""
    parser.getgroup("holdfast's own tests").addoption(
        "--lose-answers", default="", metavar="SEED[:SHARE]", help="carry writes out, and report them as failed"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Begin to lose answers, if that is asked for."""
    if told := config.getoption("lose_answers", default=""):
        os.environ[VARIABLE] = told
        lose_as_told()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Lose no answer during a test that says why."""
    told = item.config.getoption("lose_answers")
    mark = item.get_closest_marker("undisturbed")
    if mark is not None:
        (reason,) = mark.args
        assert reason, "say why"
        _undisturbed.set()
        os.environ.pop(VARIABLE, None)
        return
    _undisturbed.clear()
    if told:
        os.environ[VARIABLE] = told


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Note how many answers were lost until now."""
    count, lost_answers[0] = lost_answers[0], 0
    if count:
        item.user_properties.append((PROPERTY, str(count)))


def print_lost(reporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print how many answers were lost, and in how many tests."""
    if not config.getoption("lose_answers"):
        return
    counts = [
        int(value)
        for report in reporter.stats.get("", ())
        if getattr(report, "when", "") == "teardown"
        for key, value in report.user_properties
        if key == PROPERTY
    ]
    reporter.section("answers that were lost")
    reporter.write_line(f"{sum(counts)} in {len(counts)} tests, and more in processes that they started")
