"""Share what there is little of: who comes later waits in line, and what a dead process held is not lost."""

from __future__ import annotations

import asyncio

from examples.samples import outside
from holdfast import lock, start_child, task, workflow


@task
async def print_pages(document: str) -> str:
    """Print."""
    await outside.ask(f"{document} begins")
    return await outside.ask(f"{document} ends")


@workflow
async def print_document(document: str, printer: str) -> str:
    """Print a document, when the printer is ours."""
    async with lock(f"printer:{printer}"):
        return await print_pages(document)


@workflow
async def print_all(documents: list[str], printer: str) -> list[str]:
    """Print documents on one printer, each by a run of its own."""
    return await asyncio.gather(*(start_child(print_document, each, printer, key=each) for each in documents))
