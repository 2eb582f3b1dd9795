"""Scenarios about locks and semaphores.

Owns: the scenarios.
Must not know: any engine.
"""

from __future__ import annotations

from typing import Any

from holdfast.authoring import lock, semaphore, wait_for_signal, workflow
from holdfast.client import RunHandle
from holdfast.testing.conformance.runtime.scenario import Stage, scenario
from holdfast.testing.conformance.runtime.tasks import apply, apply_held


@workflow
async def locked(name: str, word: str) -> str:
    """Do two things under a lock."""
    async with lock(name) as held:
        await apply_held(word)
        return await apply(f"{word} again", held.token)


@scenario(result="second again", effects=["first", "first again", "second", "second again"])
async def a_lock_is_held_by_one_run_at_a_time(stage: Stage) -> RunHandle[Any]:
    """A run keeps its lock through a restart; whoever waits gets it afterwards, with a higher fencing token."""
    first = await stage.start(locked, "conformance", "first", id="-1")
    await stage.effects(1)
    second = await stage.start(locked, "conformance", "second", id="-2")
    await stage.middle()
    await first.result()
    await second.result()
    asked = [each for each in stage.receiver.requests() if each.token]
    words, tokens = [each.payload for each in asked], [each.token for each in asked]
    if list(dict.fromkeys(words)) != ["first again", "second again"] or tokens != sorted(tokens):
        raise AssertionError(f"words {words} under tokens {tokens}")
    requests = [each.payload for each in stage.receiver.requests()]
    if requests.index("second") < requests.index("first again"):
        raise AssertionError(f"both were inside: {requests}")
    return second


@workflow
async def placed(word: str) -> str:
    """Do something in one of two places, and leave when told."""
    async with semaphore("conformance places", 2):
        applied = await apply(word)
        await wait_for_signal("leave")
    return applied


@scenario(result="c", effects=["a", "b", "c"])
async def a_semaphore_has_so_many_places(stage: Stage) -> RunHandle[Any]:
    """As many as there are places are inside; the next one comes in when somebody leaves."""
    runs = [await stage.start(placed, word, id=f"-{word}") for word in ("a", "b")]
    await stage.effects(2)
    last = await stage.start(placed, "c", id="-c")
    await stage.middle()
    if len(stage.receiver.applied()) > 2:
        raise AssertionError("three were in two places")
    for each in [*runs, last]:
        await each.signal("leave")
        await each.result()
    return last


@workflow
async def locked_until_cancelled() -> None:
    """Hold a lock for ever."""
    async with lock("conformance cancelled"):
        await apply_held("inside")
        await wait_for_signal("never")


@workflow
async def locked_next(word: str) -> str:
    """Take the lock that the other one holds."""
    async with lock("conformance cancelled"):
        return await apply(word)


@scenario(result="after", effects=["inside", "after"])
async def a_lock_is_given_back_on_any_end(stage: Stage) -> RunHandle[Any]:
    """A lock goes with the run that holds it, however that ends."""
    holder = await stage.start(locked_until_cancelled, id="-holder")
    await stage.effects(1)
    run = await stage.start(locked_next, "after")
    await stage.middle()
    await holder.terminate("enough")
    return run
