"""Scenarios about what people do to runs: pause and resume them, one or many, fork them, find them.

Owns: the scenarios.
Must not know: any engine.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from holdfast.authoring import Retry, run_info, task, wait_for_signal, workflow
from holdfast.client import RunHandle
from holdfast.errors import RunCancelledError
from holdfast.ports.operations import FAILED, PAUSED, RUNNING, RunFilter
from holdfast.testing.conformance.runtime.ends import named, tidy
from holdfast.testing.conformance.runtime.messages import listener
from holdfast.testing.conformance.runtime.scenario import Stage, scenario
from holdfast.testing.conformance.runtime.tasks import NotYetError, apply, apply_held, effect, folder

# --- Paused ------------------------------------------------------------------------------------------------------


@scenario(result=["begun", "a", "b"], effects=["begun", "a", "b", "another"])
async def a_paused_run_does_not_move(stage: Stage) -> RunHandle[Any]:
    """It stays paused through a restart, while others run; what it was sent meanwhile is in it once it goes on."""
    run = await stage.start(listener, 2)
    await stage.effects(1)
    await run.pause("looking at it", by="ops")
    await run.signal("word", "a")
    await stage.middle()
    await (await stage.start(named, "another", id=" another")).result()
    record = await run.describe()
    if (record.status, record.paused_by, record.paused_reason) != (PAUSED, "ops", "looking at it"):
        raise AssertionError(f"{record.status} by {record.paused_by!r}: {record.paused_reason!r}")
    if (applied := sorted(stage.receiver.applied().values())) != ["another", "begun"]:
        raise AssertionError(f"it moved while it was paused: {applied}")
    await run.resume()
    await run.signal("word", "b")
    return run


@scenario(
    status="CANCELLED",
    effects=["begun", "begun", "begun", "cleaned up", "cleaned up", "cleaned up", *["and locked"] * 3, "another"],
)
async def many_runs_are_operated_by_filter(stage: Stage) -> RunHandle[Any]:
    """A filter means those it says and no others; begun again under the same name, nobody is told twice."""
    runs = [await stage.start(tidy, id=f"-{each}") for each in range(3)]
    other = await stage.start(named, "another", id=" another")
    await stage.effects(4)
    where = RunFilter(workflow="tidy")
    for verb, status in (("pause", PAUSED), ("resume", RUNNING)):
        done = [run_id async for page in stage.client.bulk(verb, where, batch=2) for run_id in page.done]
        standing = {(await each.describe()).status for each in runs}
        if sorted(done) != sorted(each.run_id for each in runs) or standing != {status}:
            raise AssertionError(f"{verb}: {done}, now {standing}")
    async for page in stage.client.bulk("cancel", where, operation_id="all of them", batch=1):
        if len(page.done) != 1:
            raise AssertionError(f"one was meant, not {page.done}")
        break  # whoever did it is gone before the others were told
    await stage.effects(5)
    await stage.middle()
    async for _ in stage.client.bulk("cancel", where, operation_id="all of them", batch=1):
        pass
    for each in runs:
        with suppress(RunCancelledError):
            await each.result()
    if await other.result() != "another":
        raise AssertionError("one that was not meant was cancelled")
    return runs[0]


# --- Forked ------------------------------------------------------------------------------------------------------


@task(retry=Retry(attempts=1))
async def pay(payload: str) -> str:
    """Have an effect; the answer gets lost while the bank is down."""
    applied = effect(payload)
    if not (folder() / "bank").exists():
        raise NotYetError(payload)
    return applied


@workflow
async def order(word: str) -> list[str]:
    """Reserve, pay, send."""
    return [await apply(f"{word} reserved"), await pay(f"{word} paid"), await apply_held(f"{word} sent")]


@scenario(result=["reserved by hand", "it paid", "it sent"], effects=["it reserved", "it paid", "it sent"])
async def a_fork_repeats_nothing_that_was_recorded(stage: Stage) -> RunHandle[Any]:
    """Steps before its cut run 0 times, also when it is killed; what may have been done is asked for by the old key."""
    failed = await stage.start(order, "it")
    await stage.status(failed, FAILED)
    (folder() / "bank").touch()
    fork = await stage.client.fork(failed, at="pay#1", id=f"{failed.run_id} forked")
    await stage.effects(3)
    await stage.middle()
    result = await fork.handle.result()
    if result != ["it reserved", "it paid", "it sent"] or (await failed.describe()).status != FAILED:
        raise AssertionError(f"the fork came to {result}")
    asked = [each.payload for each in stage.receiver.requests()]
    if asked.count("it reserved") != 1:
        raise AssertionError(f"a recorded step ran again: {asked}")
    # Of what it came to, everything is kept but one result, which somebody puts in the place of the recorded one.
    last = await stage.client.fork(
        fork.handle, at="apply_held#1", override={"apply#1": "reserved by hand"}, id=f"{failed.run_id} again"
    )
    return last.handle


# --- Found -------------------------------------------------------------------------------------------------------


@workflow
async def noted() -> list[Any]:
    """Say what was noted about the run, before and after a step."""
    before = run_info().memo
    await apply_held("held")
    await wait_for_signal("end")
    return [before["why"], run_info().memo["why"]]


@scenario(result=["a trial", "a trial"], effects=["held", "held"])
async def a_run_is_found_by_what_it_is_about(stage: Stage) -> RunHandle[Any]:
    """Attributes and memo are there from its start on, and through a restart; the run reads its memo."""
    run = await stage.start(noted, attributes={"region": "eu", "total": 12.5, "urgent": True}, memo={"why": "a trial"})
    other = await stage.start(noted, id=" other", attributes={"region": "us", "total": 12.5}, memo={"why": ""})
    await stage.effects(2)
    await stage.middle()
    found = {}
    for wanted in ((("region", "eu"),), (("total", "12.5"),), (("region", "us"), ("urgent", "true"))):
        records, _ = await stage.client.runs(where=RunFilter(attributes=wanted))
        found[wanted] = sorted(each.run_id for each in records)
    if list(found.values()) != [[run.run_id], sorted([run.run_id, other.run_id]), []]:
        raise AssertionError(f"found {found}")
    for each in (other, run):
        await each.signal("end")
        await each.result()
    return run
