"""`patched`: which side of a change a run is on, in every history there can be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from holdfast.authoring import deprecate_patch, patched
from holdfast.errors import DivergenceError, HistoryError, ReadOnlyError
from holdfast.history import PatchMarked, TaskCompleted, WorkflowCompleted
from tests.errands import charge, fetch
from tests.rehearsal import Rehearsal, Script, say, signal_of

Rehearse = Callable[..., Rehearsal]


async def before(_: Any) -> Any:
    """Be the code as it was."""
    await fetch(1)
    seen = await charge(2)
    await asyncio.sleep(5)  # virtual time
    return seen


async def after(_: Any) -> Any:
    """Be the code with a guarded change."""
    await fetch(1)
    seen = await (charge(3) if patched("euro") else charge(2))
    await asyncio.sleep(5)  # virtual time
    return seen


async def later(_: Any) -> Any:
    """Be the code in which only the changed side is left."""
    await fetch(1)
    deprecate_patch("euro")
    seen = await charge(3)
    await asyncio.sleep(5)  # virtual time
    return seen


async def at_last(_: Any) -> Any:
    """Be the code that has forgotten the patch."""
    await fetch(1)
    seen = await charge(3)
    await asyncio.sleep(5)  # virtual time
    return seen


def whole(rehearse: Rehearse, run: Callable[..., Any]) -> Rehearsal:
    """Record a run to its end."""
    stage = rehearse(Script(run))
    stage.complete("fetch#1")
    stage.complete("charge#1", "charged")
    stage.fire("sleep#1")
    stage.close()
    return stage


def marks(stage: Rehearsal) -> list[tuple[str, bool]]:
    """Return the marks in a history."""
    return [(each.patch_id, each.deprecated) for each in stage.history if isinstance(each, PatchMarked)]


def replay(rehearse: Rehearse, run: Callable[..., Any], stage: Rehearsal, length: int | None = None) -> list[str]:
    """Replay a history, or the beginning of one, with other code; return the tail in words."""
    other = rehearse(Script(run), begin=False)
    execution, tail = other.recover(stage.history[:length])
    execution.evict()
    return [say(each) for each in tail]


def test_a_new_run_takes_the_changed_side_and_remembers(rehearse: Rehearse) -> None:
    """The mark stands first in the next page, and moves no command from its place."""
    stage = rehearse(Script(after))
    assert stage.complete("fetch#1") == ["mark euro", "task charge#1 3"]
    stage.complete("charge#1")
    assert marks(stage) == [("euro", False)]
    mark = next(each for each in stage.history if isinstance(each, PatchMarked))
    assert (mark.cause, mark.ordinal) == (3, -1)
    assert (stage.issued[2].ordinal, stage.execution.issued) == (0, 3)


def test_every_history_from_before_fits_the_changed_code(rehearse: Rehearse) -> None:
    """Whole or cut short anywhere, a history without the mark stays on the old side, as far as it had come."""
    stage = whole(rehearse, before)
    assert replay(rehearse, after, stage) == []
    passed = next(index for index, each in enumerate(stage.history, 1) if getattr(each, "step", "") == "charge#1")
    for length in range(passed, len(stage.history)):
        words = replay(rehearse, after, stage, length)
        assert "mark euro" not in words
        assert "task charge#1 3" not in words


def test_a_run_that_had_not_come_there_takes_the_changed_side(rehearse: Rehearse) -> None:
    """A run from before that waits for an earlier step meets the change when it gets there."""
    stage = rehearse(Script(before))
    stage.write()
    other = rehearse(Script(after), begin=False)
    other.history = stage.history
    other.crash()
    assert other.complete("fetch#1") == ["mark euro", "task charge#1 3"]


def test_a_crash_before_the_mark_was_written_changes_nothing(rehearse: Rehearse) -> None:
    """The drain that asked is the last thing in history: it answers again what it answered before."""
    stage = rehearse(Script(after))
    assert stage.complete("fetch#1") == ["mark euro", "task charge#1 3"]
    assert replay(rehearse, after, stage) == ["mark euro", "task charge#1 3"]


def test_mail_written_behind_the_question_does_not_answer_it(rehearse: Rehearse) -> None:
    """Inputs of one page are applied only when it is durable: those behind prove nothing about a crash in between."""
    stage = rehearse(Script(after))
    stage.write(TaskCompleted(stage.time, 0, "fetch#1", b"1"), signal_of("go"), signal_of("stop"))
    assert replay(rehearse, after, stage) == ["mark euro", "task charge#1 3"]


def test_every_beginning_of_a_marked_history_fits(rehearse: Rehearse) -> None:
    """Cut anywhere, a history with the mark, or about to have it, is on the changed side."""
    stage = whole(rehearse, after)
    for length in range(1, len(stage.history) + 1):
        words = replay(rehearse, after, stage, length)
        assert "task charge#1 2" not in words


def test_an_answer_stays(rehearse: Rehearse) -> None:
    """A loop that began on the old side stays there, also in drains that are new."""

    async def old_loop(_: Any) -> None:
        for _ in range(2):
            await fetch(0)

    async def new_loop(_: Any) -> None:
        for _ in range(2):
            await fetch(1 if patched("euro") else 0)

    stage = rehearse(Script(old_loop))
    stage.write()
    other = rehearse(Script(new_loop), begin=False)
    other.history = stage.history
    other.crash()
    assert other.complete("fetch#1") == ["task fetch#2 0"]
    other = rehearse(Script(new_loop))
    assert other.complete("fetch#1") == ["task fetch#2 1"]
    assert marks(other) == [("euro", False)]


def test_the_changed_side_alone_fits_histories_with_and_without_its_mark(rehearse: Rehearse) -> None:
    """`deprecate_patch` accepts the mark of `patched`, makes its own, and asks for none where history goes on."""
    assert replay(rehearse, later, whole(rehearse, after)) == []
    own = whole(rehearse, later)
    assert marks(own) == [("euro", True)]
    assert replay(rehearse, later, own) == []
    assert replay(rehearse, after, own) == []
    assert replay(rehearse, later, whole(rehearse, at_last)) == []


def test_a_deprecated_mark_may_be_gone_from_the_code(rehearse: Rehearse) -> None:
    """Its history has the same commands at the same places as one without."""
    assert replay(rehearse, at_last, whole(rehearse, later)) == []


def test_a_patch_that_was_removed_too_early_is_named(rehearse: Rehearse) -> None:
    """The divergence says which patch is missing, and what to put back."""
    stage = whole(rehearse, after)
    with pytest.raises(DivergenceError) as caught:
        replay(rehearse, at_last, stage)
    assert caught.value.kind == "REMOVED"
    assert caught.value.recorded == "the changed side of patched('euro')"
    assert "deprecate_patch('euro')" in caught.value.attempted


def test_a_mark_that_stands_twice_is_no_history(rehearse: Rehearse) -> None:
    """Nobody can have written it."""
    stage = whole(rehearse, after)
    index = next(index for index, each in enumerate(stage.history) if isinstance(each, PatchMarked))
    stage.history.insert(index, stage.history[index])
    with pytest.raises(HistoryError, match="marked twice"):
        replay(rehearse, after, stage)


def test_a_change_that_is_not_guarded_still_diverges(rehearse: Rehearse) -> None:
    """The planted fault: without `patched`, the same change is noticed at the charge."""
    with pytest.raises(DivergenceError) as caught:
        replay(rehearse, at_last, whole(rehearse, before))
    assert caught.value.kind == "INPUT_CHANGED"


def test_a_question_to_the_run_may_ask_again_but_not_first(rehearse: Rehearse) -> None:
    """A query answers by what the run decided, and decides nothing."""

    async def run(_: Any) -> bool:
        await fetch(0)
        answer = patched("euro")
        await fetch(1)
        return answer

    stage = rehearse(Script(run, queries={"side": lambda *_: patched("euro")}))
    with pytest.raises(ReadOnlyError, match="first to ask"):
        stage.query("side")
    stage.complete("fetch#1")
    assert stage.query("side") is True
    assert not stage.execution.tainted
    stage.complete("fetch#2")
    closing = stage.close()[-1]
    assert isinstance(closing, WorkflowCompleted)
