"""The first block of the design's programming model, as it stands there, with the types and tasks it names."""

# ruff: noqa: D101, D102, D103, ARG002 - users' code, as the design shows it

from __future__ import annotations

import asyncio

from pydantic import BaseModel

from holdfast import Retry, heartbeat, lock, map_tasks, now, query, run_info, signal, task, update, workflow


class Batch(BaseModel):
    account: str
    documents: list[str]


class Report(BaseModel):
    path: str
    words: int


class Progress(BaseModel):
    approved: bool
    added: list[str]


class Summary(BaseModel):
    reports: int
    words: int

    @classmethod
    def of(cls, reports: object) -> Summary:
        kept = list(reports)  # type: ignore[call-overload]
        return cls(reports=len(kept), words=sum(each.words for each in kept))


class Request(BaseModel):
    day: str


class Answer(BaseModel):
    day: str
    at: str
    run_id: str


CHARGED: list[tuple[str, int]] = []


@task(
    pool="default",
    timeout="60s",
    heartbeat_timeout="10s",
    retry=Retry(attempts=5, initial="1s", factor=2, maximum="1m", non_retryable=[ValueError]),
)
async def summarize(path: str) -> Report:
    heartbeat({"path": path})
    return Report(path=path, words=len(path))


@task(isolation="process")  # a sync function; runs in a child process that can be killed
def ocr(path: str) -> str:
    return path.upper()


@task
async def fetch(name: str) -> str:
    return name


@task
async def charge(account: str, fence: int) -> None:
    CHARGED.append((account, fence))


@workflow
class ReviewBatch:
    def __init__(self) -> None:
        self.approved = asyncio.Event()
        self.added: list[str] = []

    async def run(self, batch: Batch) -> Summary:
        reports = await map_tasks(summarize, batch.documents)  # 10,000 items, O(1) history
        first, second = await asyncio.gather(fetch("a"), fetch("b"))  # calling a task issues it
        assert (first, second) == ("a", "b")
        async with asyncio.timeout(3 * 86400):  # a durable timer
            await self.approved.wait()
        async with lock(f"account:{batch.account}") as held:  # durable, fenced, released on any end
            await charge(batch.account, fence=held.token)
        return Summary.of(reports)

    @signal
    def approve(self, by: str) -> None:
        self.approved.set()

    @query
    def progress(self) -> Progress:
        return Progress(approved=self.approved.is_set(), added=self.added)

    @update
    async def add(self, document: str) -> int:
        self.added.append(document)
        return len(self.added)

    @add.validator
    def _(self, document: str) -> None:
        if not document:
            raise ValueError("a document needs a name")


@workflow
async def nightly(request: Request) -> Answer:
    return Answer(day=request.day, at=now().isoformat(), run_id=run_info().run_id)


@workflow
async def read_all(paths: list[str]) -> list[str]:
    return list(await asyncio.gather(*(ocr(each) for each in paths)))
