"""Scenarios about what a workflow remembers, says of itself and undoes: patches, side effects, attributes, sagas.

Owns: the scenarios.
Must not know: any engine.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any, Final

from holdfast.authoring import (
    Saga,
    continue_as_new,
    deprecate_patch,
    patched,
    query,
    run_info,
    set_attributes,
    side_effect,
    task,
    workflow,
)
from holdfast.client import RunHandle
from holdfast.ports.operations import PARKED, RunFilter
from holdfast.testing.conformance.runtime.scenario import LOOK_SECONDS, Stage, scenario
from holdfast.testing.conformance.runtime.tasks import apply, apply_held, effect, folder

LONG: Final = "what was said, "


@workflow
async def patched_twice() -> list[str]:
    """Ask for a patch before and after a step, and for one that is only deprecated."""
    before = await apply_held("changed" if patched("first") else "as it was")
    deprecate_patch("second")
    after = await apply("changed still" if patched("first") else "as it was again")
    return [before, after]


@scenario(result=["changed", "changed still"], effects=["changed", "changed still"])
async def a_patch_is_answered_once(stage: Stage) -> RunHandle[Any]:
    """A new run is on the changed side, and stays there through a restart."""
    run = await stage.start(patched_twice)
    await stage.effects(1)
    await stage.middle()
    return run


@workflow
async def drawing_outside() -> bool:
    """Draw something that no replay draws again, use it in steps, and draw in a way that takes a while."""
    first = await side_effect(lambda: os.urandom(8).hex())
    await apply_held("drawn")
    second = await side_effect(_draw_later)
    same = await give_back(f"{first} {second}") == f"{first} {second}"
    await apply("drawn again")
    return same


async def _draw_later() -> int:
    await asyncio.sleep(0.001)
    return int.from_bytes(os.urandom(4), "big")


@task
async def give_back(words: str) -> str:
    """Give back what was given."""
    return words


@scenario(result=True, effects=["drawn", "drawn again"])
async def a_side_effect_is_recorded(stage: Stage) -> RunHandle[Any]:
    """What a side effect gave is the same after a restart, so the steps made from it are, too."""
    run = await stage.start(drawing_outside)
    await stage.effects(1)
    await stage.middle()
    return run


@workflow
async def labelled(stage: int) -> dict[str, Any]:
    """Say where it stands, around a step; go on as a new execution in between."""
    set_attributes({"stage": stage, "first": stage == 1 or None})
    await (apply_held if stage == 1 else apply)(f"stage {stage}")
    if stage == 1:
        continue_as_new(2)
    set_attributes({"done": True})
    return dict(run_info().attributes)


@scenario(result={"region": "here", "stage": 2, "done": True}, effects=["stage 1", "stage 2"])
async def a_run_is_found_by_what_it_says_of_itself(stage: Stage) -> RunHandle[Any]:
    """As soon as it goes on from there, through a restart, and in the execution that follows."""
    run = await stage.start(labelled, 1, attributes={"region": "here"})

    async def found_by(*attributes: tuple[str, str]) -> bool:
        records, _ = await stage.client.runs(where=RunFilter(attributes=attributes))
        return [each.run_id for each in records] == [run.run_id]

    await stage.effects(1)
    while not await found_by(("region", "here"), ("stage", "1"), ("first", "true")):  # noqa: ASYNC110 - it happens in another process
        await asyncio.sleep(LOOK_SECONDS)
    await stage.middle()
    await run.result()
    while not await found_by(("region", "here"), ("stage", "2"), ("done", "true")):  # noqa: ASYNC110 - lists may follow later
        await asyncio.sleep(LOOK_SECONDS)
    return run


class NoSeatError(Exception):
    """What the third booking raises on purpose."""


@workflow
async def booking() -> None:
    """Do two things and fail; undoing the second one is held."""
    async with Saga() as saga:
        saga.add(apply, "undone a")
        await apply("a")
        saga.add(apply_held, "undone b")
        await apply("b")
        raise NoSeatError


@scenario(status="FAILED", error="NoSeatError", effects=["a", "b", "undone a", "undone b"])
async def a_failed_saga_is_undone(stage: Stage) -> RunHandle[Any]:
    """Compensations are steps like others: a kill in the middle of one repeats none that is over."""
    run = await stage.start(booking)
    await stage.effects(3)
    await stage.middle()
    return run


@workflow
async def waiting_booking() -> None:
    """Do two things, and wait for ever."""
    async with Saga() as saga:
        saga.add(apply, "undone a")
        await apply("a")
        saga.add(apply_held, "undone b")
        await apply("b")
        await asyncio.Event().wait()


@scenario(status="CANCELLED", effects=["a", "b", "undone a", "undone b"])
async def a_cancelled_saga_is_undone(stage: Stage) -> RunHandle[Any]:
    """A second cancellation does not stop what the first one began, nor does a kill."""
    run = await stage.start(waiting_booking)
    await stage.effects(2)
    await run.cancel("enough", operation_id="first")
    await stage.effects(3)
    await run.cancel("at once", operation_id="second")
    await stage.middle()
    return run


@task
async def undo_when_open(payload: str) -> str:
    """Undo something, once the bank is open."""
    if not (folder() / "bank").exists():
        raise TypeError("the bank is closed")  # never tried again
    return effect(payload)


@workflow
async def stuck_booking() -> None:
    """Do two things and fail; the first one can be undone only when the bank is open."""
    async with Saga() as saga:
        saga.add(undo_when_open, "undone a")
        await apply("a")
        saga.add(apply, "undone b")
        await apply("b")
        raise NoSeatError


@scenario(status="FAILED", error="NoSeatError", effects=["a", "b", "undone a", "undone b"])
async def a_failing_compensation_parks_the_run(stage: Stage) -> RunHandle[Any]:
    """The run says what is not undone, stays so through a restart, and tries again when it is resumed."""
    run = await stage.start(stuck_booking)
    await stage.status(run, PARKED)
    await stage.middle()
    record = await run.describe()
    if record.status != PARKED or "Not undone: undo_when_open (1)" not in record.parked:
        raise AssertionError(f"{record.status}: {record.parked}")
    (folder() / "bank").touch()
    await run.resume()
    return run


@task
async def ask(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """Answer a conversation with a longer one, as whoever calls a model does."""
    return [*messages, {"role": "assistant", "content": f"{len(messages)} " + LONG * 20}]


@workflow
class Conversation:
    """Calls a model again and again with everything that was said."""

    def __init__(self) -> None:
        self.messages = [{"role": "user", "content": LONG * 20}]

    async def run(self, calls: int) -> list[int]:
        """Ask, be told to go on in the middle, and ask again."""
        for call in range(calls):
            self.messages = await ask(self.messages)
            if call == calls // 2:
                await apply_held("half of it")
        return [len(self.messages), sum(len(each["content"]) for each in self.messages)]

    @query
    def said(self) -> list[dict[str, str]]:
        """Return everything that was said."""
        return self.messages


@scenario(result=[25, 20 * 25 * len(LONG) + sum(len(f"{each} ") for each in range(1, 25))], effects=["half of it"])
async def a_long_conversation_is_kept_as_it_was(stage: Stage) -> RunHandle[Any]:
    """Messages that every call repeats are the same after a restart, to the last character."""
    run = await stage.start(Conversation, 24)
    await stage.effects(1)
    said = await stage.query(run, Conversation.said)
    await stage.middle()
    if (after := await stage.query(run, Conversation.said))[: len(said)] != said or len(said) != 14:
        raise AssertionError(f"{len(said)} messages became {len(after)} others")
    return run
