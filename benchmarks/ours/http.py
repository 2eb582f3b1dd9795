"""Starts over HTTP, from a second process.

Owns: the case `http_starts`, with the process that serves.
Must not know: the other cases.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import httpx

from benchmarks.automations import DEFINITIONS
from benchmarks.ours.stage import another, leash_let_go, store_in, tell, told
from benchmarks.rows import Sample, percentiles
from holdfast import Registry
from holdfast.app import ROLES, load_settings, serving

PATH = "/v1/workflows/sequence/runs"


async def measure(folder: Path, *, starts: int, at_once: int) -> list[Sample]:
    """Start runs of one step, first one after the other, then `at_once` at a time, over connections that are kept."""
    async with another("http_starts-server", "--folder", str(folder)) as server:
        url = await told(server)
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            await _starts(client, at_once)
            seconds = await _starts(client, starts)
            began = time.perf_counter()
            await asyncio.gather(*[_starts(client, starts // at_once) for _ in range(at_once)])
            rate = starts // at_once * at_once / (time.perf_counter() - began)
    return [*percentiles("", seconds), Sample("starts", "starts/s", (rate,), starts)]


async def _starts(client: httpx.AsyncClient, count: int) -> list[float]:
    seconds = []
    for _ in range(count):
        began = time.perf_counter()
        (await client.post(PATH, json=1)).raise_for_status()
        seconds.append(time.perf_counter() - began)
    return seconds


async def serve(folder: Path) -> None:
    """Be controller, orchestrator and worker until the leash is let go."""
    registry = Registry()
    for definition in DEFINITIONS:
        registry.add(definition)
    settings = load_settings(store=store_in(folder), port=0, log_level="ERROR")
    async with serving(settings, registry, ROLES, http=True) as started:
        tell(started.url)
        await leash_let_go()
