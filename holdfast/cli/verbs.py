"""What all verbs share: the options, and running an asynchronous body with errors shown.

Owns: `--store`, `--json`, the client's life around a verb.
Must not know: any verb.
"""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Awaitable, Callable, Coroutine
from typing import Annotated, Any, NamedTuple, TypeAlias, TypeVar

import typer

from holdfast.app import EMBEDDED, Client, check_store, load_settings
from holdfast.cli.output import Exit, Output, exit_code
from holdfast.errors import HoldfastError, NotOnEngineError

Result = TypeVar("Result")

JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]
StoreOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--store", metavar="URL", help="Store: sqlite:///holdfast.db, postgresql://HOST/DB.", show_default=False
    ),
]
BusOption: TypeAlias = Annotated[
    str | None, typer.Option("--bus", metavar="URL", help="Bus: redis://HOST:6379/0, or polling.", show_default=False)
]
InputArgument: TypeAlias = Annotated[
    str | None,
    typer.Argument(metavar="[INPUT]", help="JSON; @FILE reads a file, - reads standard input.", show_default=False),
]


class OnlyHere(NamedTuple):
    """What a verb is about, where a store knows of it only for runs on the embedded engine."""

    what: str
    instead: str
    """What to do where runs are on a cluster."""


def is_elsewhere() -> bool:
    """Return whether runs are on a cluster, so that the store does not know them. Raises SettingsError."""
    return load_settings().engine != EMBEDDED


def user() -> str:
    """Return the name of whoever sits at this terminal, as far as the machine knows."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "somebody"


def run_verb(output: Output, body: Callable[[], Awaitable[Result]]) -> Result:
    """Run an asynchronous verb; print what it raises, and leave with the code that says what kind of trouble it was."""

    async def called() -> Result:
        return await body()

    return shown(output, lambda: asyncio.run(called()))


def shown(output: Output, body: Callable[[], Result]) -> Result:
    """Run a verb; print what it raises, and leave with the code that says what kind of trouble it was."""
    try:
        return body()
    except HoldfastError as error:
        output.error(error)
        raise typer.Exit(exit_code(error)) from None
    except KeyboardInterrupt:
        raise typer.Exit(Exit.INTERRUPTED) from None


def with_client(
    output: Output,
    store: str | None,
    body: Callable[[Client], Coroutine[Any, Any, Result]],
    *,
    makes_store: bool = False,
    only_here: OnlyHere | None = None,
) -> Result:
    """Run an asynchronous verb with a client of the store that options, environment and file name.

    Only verbs that put something in make a store where there is none (`makes_store`): to all others a path without a
    store is a slip of the pen, and what they would show of a new one is nothing. Nor would those that are `only_here`
    show anything where runs are on a cluster: there it is said that there is no such thing, and what to do instead.
    """

    async def connected() -> Result:
        settings = load_settings(store=store)
        if only_here is not None and settings.engine != EMBEDDED:
            raise NotOnEngineError(only_here.what, "Temporal", instead=only_here.instead)
        if not makes_store:
            check_store(settings)
        async with await Client.connect(settings.store, actor=f"cli:{user()}") as client:
            return await body(client)

    return run_verb(output, connected)
