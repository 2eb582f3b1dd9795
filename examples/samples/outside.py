"""The world outside: what the samples' tasks ask it for, it does once for each idempotency key.

It notes what it did in the folder that SAMPLES_FOLDER names, and can be told there to take its time; without a folder
it just says what it does. A sample asks by `await outside.ask("two apples")`.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path

from holdfast import task_info
from holdfast.testing.receiver import Receiver

FOLDER_VARIABLE = "SAMPLES_FOLDER"
LOOK_SECONDS = 0.01
"""How often a request that is held looks whether it still is."""


async def ask(what: str) -> str:
    """Have something done in the name of the task that runs; return what was done, now or by an attempt before."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is None:
        print(what)  # noqa: T201 - so that somebody who tries a sample sees it
        return what
    info = task_info()
    done = Receiver(Path(folder)).apply(f"{info.idempotency_key}/{what}", what, info.attempt)
    while is_held(Path(folder), what):  # noqa: ASYNC110 - another process lets it go
        await asyncio.sleep(LOOK_SECONDS)
    return done


def hold(folder: Path, what: str) -> None:
    """Do this, but do not answer until `release`."""
    (folder / "held").write_text(what, encoding="utf-8")


def release(folder: Path) -> None:
    """Answer everybody."""
    (folder / "held").unlink(missing_ok=True)


def is_held(folder: Path, what: str) -> bool:
    """Say whether somebody is to wait for this."""
    with suppress(FileNotFoundError):
        return (folder / "held").read_text(encoding="utf-8") == what
    return False
