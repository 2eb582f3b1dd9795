"""Workers that have nothing to do: how often they ask the database.

Owns: the case `idle`.
Must not know: the other cases.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import asyncpg

from benchmarks.ours.fleet import Place, workers
from benchmarks.rows import Sample
from holdfast.stores import migrate

STATEMENTS = """
SELECT sum(calls)::bigint FROM pg_stat_statements
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
"""Statements of every kind since the counters began: BEGIN, SELECT, COMMIT are three."""


async def measure(
    folder: Path, *, store: str, bus: str, processes: int, slots: int, settle: float, seconds: float
) -> list[Sample]:
    """Let workers idle, and count their statements, those of their sidecars included."""
    await migrate(store)
    connection = await asyncpg.connect(store)
    try:
        await connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        async with workers(Place(store, bus), processes, slots):
            await asyncio.sleep(settle)
            began, counted = time.perf_counter(), await connection.fetchval(STATEMENTS)
            await asyncio.sleep(seconds)
            statements = await connection.fetchval(STATEMENTS) - counted - 1  # the one that counted is not theirs
            rate = statements / (time.perf_counter() - began)
    finally:
        await connection.close()
    return [Sample("statements", "queries/s", (rate,), statements)]
