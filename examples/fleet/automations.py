"""What the fleet does: count the words of many documents.

Owns: one workflow and one task, small enough to watch.
Must not know: how many processes there are.
"""

from __future__ import annotations

import asyncio

from holdfast import map_tasks, task, workflow


@task(pool="documents")
async def count_words(text: str) -> int:
    """Count the words of one document, and take a moment for it."""
    await asyncio.sleep(0.01)
    return len(text.split())


@workflow
async def count_all(documents: int) -> int:
    """Count the words of so many documents; return how many words there are."""
    return sum(await map_tasks(count_words, [f"This is document {number}." for number in range(documents)]))
