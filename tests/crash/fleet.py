"""Tasks and workflows for worker processes that are stopped, kept busy, or hang.

Owns: tasks that wait for a test's word, compute, or never end.
Must not know: what the test does to their processes.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from pathlib import Path

from holdfast import Retry, TaskTimeoutError, task, task_info, workflow
from tests.crash.shapes import receiver

POOL = "p"
POLL_SECONDS = 0.01


def word(pid: int) -> Path:
    """Return the file that lets tasks of the process `pid` go on."""
    return receiver().folder / f"go-{pid}"


@task(pool=POOL)
async def hold(index: int) -> int:
    """Have begun, wait for a word to this process, have an effect."""
    info = task_info()
    receiver().note(info.idempotency_key, "begun", info.attempt, info.fencing_token)
    while not word(os.getpid()).exists():  # noqa: ASYNC110 - the word comes from another process
        await asyncio.sleep(POLL_SECONDS)
    receiver().apply(info.idempotency_key, str(index), info.attempt, info.fencing_token)
    return os.getpid()


@task(pool=POOL, timeout="60s")
async def compute(seconds: float) -> int:
    """Compute, and let nothing else of this process happen."""
    info = task_info()
    receiver().note(info.idempotency_key, "begun", info.attempt, info.fencing_token)
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass
    return os.getpid()


@task(pool=POOL, isolation="process", timeout="4s", retry=Retry(attempts=1))
def hang(port: int) -> None:
    """Connect to somebody, and never end."""
    info = task_info()
    with socket.create_connection(("127.0.0.1", port)):
        receiver().note(info.idempotency_key, "begun", info.attempt, info.fencing_token)
        while True:
            pass


@task(pool=POOL)
async def touch() -> int:
    """Do next to nothing."""
    info = task_info()
    receiver().note(info.idempotency_key, "begun", info.attempt, info.fencing_token)
    return os.getpid()


@workflow
async def crowd(size: int) -> list[int]:
    """Hold many at once; return who did them."""
    return await asyncio.gather(*(hold(index) for index in range(size)))


@workflow
async def busy(seconds: float) -> int:
    """Compute; return who did."""
    return await compute(seconds)


@workflow
async def hanging(port: int) -> int:
    """Hang, and do something else in the same slot; return who did."""
    hung, after = hang(port), touch()
    done = await after
    try:
        await hung
    except TaskTimeoutError:
        return done
    raise AssertionError("it did not hang")
