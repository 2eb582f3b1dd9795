"""What the engine needs to know about a workflow.

Owns: the shape of a program: how to start it and which messages it handles.
Must not know: decorators, signatures, type adapters.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol


class Handler(Protocol):
    """A signal, query or update handler of a workflow."""

    name: str

    def call(self, instance: Any, payload: bytes) -> Any:
        """Call the handler with a payload (JSON text); return its result, or a coroutine of it.

        Raises:
            InputError: the payload does not fit the handler's signature.
        """

    def validate(self, instance: Any, payload: bytes) -> None:
        """Raise whatever the handler's validator raises; do nothing when there is none."""

    def encode_result(self, value: Any) -> bytes:
        """Return `value` as JSON text; raises EncodeError."""


class Program(Protocol):
    """A workflow as the engine runs it."""

    name: str
    signals: Mapping[str, Handler]
    queries: Mapping[str, Handler]
    updates: Mapping[str, Handler]

    def start(self, payload: bytes) -> tuple[Any, Coroutine[Any, Any, Any]]:
        """Make the instance that handlers are called on, and the coroutine that is the run.

        Raises:
            InputError: the payload does not fit the workflow's signature.
        """

    def encode_input(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bytes:
        """Return the input of a run as JSON text; raises EncodeError, TypeError."""

    def encode_result(self, value: Any) -> bytes:
        """Return what the run returned as JSON text; raises EncodeError."""


class Versioned(Program, Protocol):
    """A workflow of which several versions may be about."""

    pinned: bool
    """Its runs are for code of the version they began with alone."""

    @property
    def code_version(self) -> str:
        """Name this version of the code."""


class Guard(Protocol):
    """Keeps workflow code away from what a replay would answer differently, while a drain runs."""

    def enter(self) -> None:
        """Switch the guard on for this thread."""

    def leave(self) -> None:
        """Switch the guard off for this thread."""


Where = Callable[[], str]
"""Gives `file.py:line, in function` of the user's code."""
