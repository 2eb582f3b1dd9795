"""Tasks that scenarios share: all of them have their effects on a receiver outside the store.

Owns: the tasks, the environment variable that names the receiver, the gate.
Must not know: workflows.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Final

from holdfast.authoring import Retry, task, task_info
from holdfast.testing.receiver import Receiver

FOLDER_VARIABLE: Final = "HOLDFAST_CONFORMANCE_FOLDER"
"""The environment variable that names the receiver's folder."""
LOOK_SECONDS: Final = 0.005
"""How often a held task looks at the gate."""


class NotYetError(Exception):
    """What a task raises that has had its effect: executed, but reported failed."""


def folder() -> Path:
    """Return the folder that the environment names."""
    return Path(os.environ[FOLDER_VARIABLE])


def open_gate() -> None:
    """Let held tasks go on, now and later."""
    (folder() / "gate").touch()


def effect(payload: str, *, token: int = 0, part: str = "") -> str:
    """Have an effect in the name of the running task; return the payload that was applied for its key.

    Args:
        payload: what is applied.
        token: the fencing token of the lock it is done under.
        part: names one of several effects of a task.
    """
    info = task_info()
    return Receiver(folder()).apply(info.idempotency_key + part, payload, info.attempt, token)


@task
async def apply(payload: str, token: int = 0) -> str:
    """Have an effect."""
    return effect(payload, token=token)


@task
async def note(payload: str) -> None:
    """Tell the receiver something that has no effect: asked twice for one step, it has to be the same."""
    info = task_info()
    Receiver(folder()).note(info.idempotency_key, payload, info.attempt)


@task
async def apply_held(payload: str) -> str:
    """Have an effect, and end when the gate is open."""
    applied = effect(payload)
    while not (folder() / "gate").exists():  # noqa: ASYNC110 - another process opens it
        await asyncio.sleep(LOOK_SECONDS)
    return applied


@task
def apply_in_thread(payload: str) -> str:
    """Have an effect, from code that blocks."""
    return effect(payload)


@task(retry=Retry(attempts=5, initial="10ms", maximum="20ms"))
async def apply_at_last(payload: str, attempts: int) -> str:
    """Have an effect in every attempt, and fail all but the last of `attempts` nevertheless."""
    applied = effect(payload)
    if task_info().attempt < attempts:
        raise NotYetError(payload)
    return applied


@task(retry=Retry(attempts=5, initial="10ms", non_retryable=[ValueError]))
async def refuse(payload: str) -> None:
    """Fail for good."""
    raise ValueError(payload)
