"""What the processes of the command line serve in the tests of the engine on Temporal.

Owns: the definitions.
Must not know: which engine runs them.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from holdfast import task, task_info, workflow


@task
async def capitals(article: str) -> str:
    """Return the article in capitals."""
    return article.upper()


@workflow
async def served(article: str) -> str:
    """Do one task."""
    return await capitals(article)


@task
def hold(folder: str) -> str:
    """Say which process this is, and wait to be let go; return which attempt it was."""
    number = task_info().attempt
    Path(folder, f"begun-{number}").write_text(str(os.getpid()), encoding="utf-8")  # a pipe
    with Path(folder, f"leave-{number}").open(encoding="utf-8") as pipe:
        pipe.readline()
    return f"attempt {number}"


@workflow
async def holding(folder: str) -> str:
    """Sleep, and do one task that takes as long as the test wants."""
    await asyncio.sleep(0.01)
    return await hold(folder)
