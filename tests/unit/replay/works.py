"""Workflows that tests of the replayer record and replay."""

# ruff: noqa: D103 - what they do is what they are

from __future__ import annotations

import asyncio

from holdfast.authoring import now, workflow
from tests.errands import charge, fetch


@workflow
async def steady(count: int) -> list[int]:
    seen = [await fetch(each) for each in range(count)]
    await asyncio.sleep(60)
    await charge(now().isoformat())
    return seen


@workflow(name="steady")
async def restless(count: int) -> list[int]:
    seen = [await fetch(each) for each in range(count)]
    await asyncio.sleep(90)
    await charge(now().isoformat())
    return seen


@workflow(name="steady")
async def going_on(count: int) -> list[int]:
    seen = [await fetch(each) for each in range(count + 1)]
    await asyncio.sleep(60)
    return seen


@workflow
async def doomed(count: int) -> int:
    await fetch(count)
    return 100 // count
