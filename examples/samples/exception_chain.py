"""See from outside what went wrong deep inside: a task fails, so its run, so the run that started that."""

from __future__ import annotations

from examples.samples import outside
from holdfast import ChildError, Retry, TaskError, start_child, task, workflow


class NoInkError(Exception):
    """There is nothing to print with."""


class NoBookError(Exception):
    """It cannot be printed."""


@task(retry=Retry(attempts=2, initial="10ms", non_retryable=[NoInkError]))
async def print_page(page: str) -> str:
    """Print a page."""
    await outside.ask(f"paper for {page}")
    try:
        raise LookupError("the cartridge is empty")
    except LookupError as error:
        raise NoInkError(page) from error


@workflow
async def print_book(page: str) -> str:
    """Print a book."""
    try:
        return await print_page(page)
    except TaskError as error:
        _, root = error.causes[-1]
        raise NoBookError(root) from error


@workflow
async def publish(page: str) -> list[str]:
    """Publish a book; say what went wrong, and what that came from."""
    try:
        return [await start_child(print_book, page)]
    except ChildError as error:
        return [f"{error.type}: {error.text}", *(f"{kind}: {text}" for kind, text in error.causes)]
