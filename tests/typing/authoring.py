"""What a type checker says about users' workflows. Read by mypy, never run.

A line that must be an error ends in `# error: CODE`; mypy has to find exactly these.
"""

# mypy: disable-error-code="empty-body"
# ruff: noqa: ARG002, D101, D102, D103 - the definitions stand for users' own, which say nothing

from __future__ import annotations

import asyncio
from asyncio import Future
from collections.abc import Coroutine, Sequence
from datetime import datetime
from random import Random
from typing import Any, assert_type
from uuid import UUID

from holdfast.authoring import (
    AsyncTask,
    Err,
    HeldLock,
    Ok,
    Results,
    Retry,
    SyncTask,
    TaskFuture,
    WorkflowDefinition,
    definition_of,
    lock,
    map_tasks,
    now,
    query,
    random,
    semaphore,
    signal,
    task,
    task_info,
    update,
    uuid4,
    wait_for_signal,
    workflow,
)
from holdfast.ports.program import Program
from holdfast.ports.task import TaskInfo


class Report:
    text: str


@task(pool="default", timeout="60s", retry=Retry(attempts=5, non_retryable=[ValueError]))
async def summarize(path: str, depth: int = 1) -> Report: ...


@task
async def fetch(url: str) -> str: ...


@task(isolation="process")
def ocr(path: str) -> int: ...


@task(timeout="1m", retries=3)  # error: call-overload, untyped-decorator
def wrong_option(path: str) -> int: ...


async def tasks() -> None:
    assert_type(summarize, SyncTask[[str, int], Report])  # error: assert-type
    issued: TaskFuture[Report] = summarize("a")
    assert_type(await issued, Report)
    assert_type(await summarize("a", depth=2), Report)
    assert_type(await ocr("a"), int)
    assert_type(await ocr.options(timeout=5, key="k")("a"), int)
    assert_type(await fetch.local("a"), str)
    assert_type(ocr.local("a"), int)
    future: Future[str] = fetch("a")
    coroutine: Coroutine[Any, Any, str] = fetch("a")
    await future
    await coroutine
    summarize(5)  # error: arg-type, unused-awaitable
    summarize()  # error: call-arg, unused-awaitable
    fetch("a", other=1)  # error: call-arg, unused-awaitable
    fetch.options(timeout=[])  # error: arg-type
    ocr.options()(5)  # error: arg-type, unused-awaitable


def takes(first: AsyncTask[[str], str], second: SyncTask[[str], int]) -> None: ...


takes(fetch, ocr)


async def asyncio_takes_task_futures() -> None:
    first, second = await asyncio.gather(fetch("a"), ocr("b"))
    assert_type(first, str)
    assert_type(second, int)
    async with asyncio.TaskGroup() as group:
        started = group.create_task(fetch("a"))
    assert_type(started.result(), str)
    assert_type(await asyncio.create_task(ocr("a")), int)
    assert_type(await asyncio.wait_for(fetch("a"), 5), str)
    assert_type(await asyncio.shield(fetch("a")), str)
    done, pending = await asyncio.wait([fetch("a"), fetch("b")])
    assert_type([each.result() for each in (*done, *pending)], list[str])
    for each in asyncio.as_completed([fetch("a")]):
        assert_type(await each, str)


async def fan_out() -> None:
    reports = await map_tasks(summarize, ["a"])
    assert_type(reports, Results[Report])
    assert_type(reports[0], Report)
    assert_type(reports[1:], Results[Report])
    listed: Sequence[Report] = reports
    print(listed)
    collected = await map_tasks(ocr.options(pool="x"), ["a"], on_error="collect", error_budget=0.1)
    for each in collected:
        match each:
            case Ok(value):
                assert_type(value, int)
            case Err(error):
                assert_type(error.text, str)
    await map_tasks(ocr, ["a"], error_budget=0.1)  # error: call-overload
    reports[0] = Report()  # error: index


@workflow
class Review:
    def __init__(self) -> None:
        self.approved = asyncio.Event()

    async def run(self, path: str) -> Report:
        async with lock("a") as held, semaphore("b", 3):
            assert_type(held, HeldLock)
        return await summarize(path)

    @signal
    def approve(self, by: str) -> None:
        self.approved.set()

    @signal(name="other")
    async def another(self, by: str) -> None: ...

    @query
    def progress(self) -> int:
        return 1

    @update
    async def add(self, document: str) -> int:
        return 1

    @add.validator
    def _(self, document: str) -> None: ...

    @update
    def drop(self, index: int) -> str:
        return ""

    @drop.validator
    def _(self, index: int) -> None: ...


@workflow
async def nightly(path: str, depth: int = 1) -> Report:
    return await summarize(path, depth)


@workflow(name="weekly")
async def renamed(path: str) -> Report:
    return await summarize(path)


@workflow  # error: arg-type
def sync_workflow(path: str) -> Report:
    return Report()


async def workflows() -> None:
    review = Review()
    assert_type(review, Review)
    assert_type(await review.run("a"), Report)
    review.approve("ops")
    review.approve(5)  # error: arg-type
    assert_type(review.progress(), int)
    assert_type(await review.add("x"), int)
    assert_type(Review.approve.name, str)
    assert_type(Review.add.name, str)
    assert_type(renamed.name, str)
    named: WorkflowDefinition[[str], Report] = renamed
    program: Program = definition_of(Review)
    program = named
    print(program)


async def inside() -> None:
    assert_type(now(), datetime)
    assert_type(random(), Random)
    assert_type(uuid4(), UUID)
    assert_type(task_info(), TaskInfo)
    assert_type(await wait_for_signal("a", "1m", type=Report), Report)
    assert_type(await wait_for_signal("a"), Any)
