"""What a verb prints: a table for a person, or JSON for a program.

Owns: the console, the choice between the two, exit codes.
Must not know: what is printed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.markup import escape

from holdfast.cli.tables import brief, set_table
from holdfast.errors import (
    AlreadyProcessed,
    CallbackError,
    DefinitionError,
    DeliveryConflictError,
    DeliveryError,
    EncryptionError,
    ForkError,
    HistoryError,
    HoldfastError,
    InputError,
    KeyNameError,
    LeaseError,
    MissingExtraError,
    NoOrchestratorError,
    PayloadError,
    PrunedError,
    RunClosedError,
    RunConflictError,
    RunError,
    RunNotFoundError,
    RunStateError,
    ScheduleError,
    SettingsError,
    StoreError,
    UnknownNameError,
    UpdateRejectedError,
    UsageError,
)

FILE_COLUMNS: Final = 160
"""How wide a table is that does not go to a terminal."""


class Exit(IntEnum):
    """What a verb's exit code means."""

    DONE = 0
    """It was done."""
    FAILED = 1
    """The run failed, or the check found something."""
    USAGE = 2
    """The command line, the input or the code does not fit."""
    NOT_FOUND = 3
    """There is no such run, workflow, task, handler or key."""
    REFUSED = 4
    """The run's state, its validator, or somebody else's lease does not allow it."""
    UNAVAILABLE = 5
    """The store, the settings or the fleet: nothing is wrong with the request."""
    INTERRUPTED = 130
    """Ctrl-C, or a second signal to a process that serves."""


_CODES: tuple[tuple[type[HoldfastError], Exit], ...] = (
    (RunNotFoundError, Exit.NOT_FOUND),
    (UnknownNameError, Exit.NOT_FOUND),
    (RunConflictError, Exit.REFUSED),
    (KeyNameError, Exit.REFUSED),
    (RunClosedError, Exit.REFUSED),
    (RunStateError, Exit.REFUSED),
    (ScheduleError, Exit.REFUSED),
    (CallbackError, Exit.NOT_FOUND),
    (ForkError, Exit.USAGE),
    (DeliveryConflictError, Exit.REFUSED),
    (DeliveryError, Exit.USAGE),
    (UpdateRejectedError, Exit.REFUSED),
    (AlreadyProcessed, Exit.REFUSED),
    (LeaseError, Exit.REFUSED),
    (NoOrchestratorError, Exit.UNAVAILABLE),
    (StoreError, Exit.UNAVAILABLE),
    (EncryptionError, Exit.UNAVAILABLE),
    (SettingsError, Exit.UNAVAILABLE),
    (MissingExtraError, Exit.UNAVAILABLE),
    (DefinitionError, Exit.USAGE),
    (InputError, Exit.USAGE),
    (PayloadError, Exit.USAGE),
    (PrunedError, Exit.NOT_FOUND),
    (HistoryError, Exit.USAGE),
    (UsageError, Exit.USAGE),
    (RunError, Exit.FAILED),
)


def exit_code(error: HoldfastError) -> Exit:
    """Return the exit code that an error ends a verb with."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), Exit.FAILED)


class Output:
    """Prints results to standard output and everything else to standard error."""

    def __init__(self, *, as_json: bool) -> None:
        """Print JSON with `as_json`, else for a person."""
        self.as_json = as_json
        self.console = Console(highlight=False, soft_wrap=True)
        if not self.console.is_terminal:
            self.console.width = FILE_COLUMNS  # nobody reads a file through a window 80 wide
        self.notes = Console(stderr=True, highlight=False, soft_wrap=True)

    def value(self, value: Any) -> None:
        """Print one JSON value."""
        text = msgspec.json.encode(value)
        if self.as_json:
            sys.stdout.write(text.decode() + "\n")
        else:
            self.console.print_json(text.decode())

    def fields(self, values: dict[str, Any]) -> None:
        """Print named values, one a line."""
        if self.as_json:
            self.value(values)
            return
        width = max(map(len, values), default=0)
        for name, value in values.items():
            shown = show(value).replace("\n", "\n" + " " * (width + 2))
            self.console.print(f"[dim]{name:<{width}}[/]  {escape(shown)}")

    def rows(
        self, columns: Sequence[str], rows: Iterable[dict[str, Any]], *, more: dict[str, Any] | None = None
    ) -> None:
        """Print a table; as JSON, an object with `items` and whatever is in `more`."""
        kept = list(rows)
        if self.as_json:
            self.value({"items": kept, **(more or {})})
            return
        if kept:
            shown = [{column: self._cell(column, row.get(column)) for column in columns} for row in kept]
            self.console.print(set_table(columns, shown, self.console.width))
        else:
            self.console.print("[dim]nothing[/]")
        if more and more.get("next_cursor"):
            self.console.print(f"[dim]more: --cursor {more['next_cursor']}[/]")

    def _cell(self, column: str, value: Any) -> str:
        """Return what a table shows. A person needs milliseconds only where they tell events apart."""
        if isinstance(value, list):
            value = ", ".join(map(show, value))
        text = show(value)
        return text if column == "time" or not self.console.is_terminal else brief(text)

    def note(self, text: str) -> None:
        """Say something to a person, beside the result."""
        if not self.as_json:
            self.notes.print(text)

    def error(self, error: HoldfastError) -> None:
        """Print an error: for a person, or as a JSON object on standard error."""
        if self.as_json:
            body = {"error": {"code": error.code, "type": type(error).__name__, "message": error.message()}}
            sys.stderr.write(msgspec.json.encode(body).decode() + "\n")
        else:
            self.notes.print(f"[red]{escape(f'[{error.code}]')}[/] {escape(printable(error.message()))}")


def show(value: Any) -> str:
    """Return a value as one line for a person."""
    if value is None or value == "":
        return "-"
    if isinstance(value, str):
        return printable(value)
    return printable(msgspec.json.encode(value).decode())


def printable(text: str) -> str:
    """Return `text` without anything that a terminal would obey."""
    return "".join(each if each.isprintable() or each == "\n" else f"\\x{ord(each):02x}" for each in text)


def time_of(seconds: float | None) -> str | None:
    """Return seconds since the epoch as ISO 8601, UTC."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
