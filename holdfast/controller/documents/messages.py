"""Messages to runs, and answers.

Owns: what is sent and answered.
Must not know: how it travels.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType

from holdfast.controller.documents.base import Document


class SignalledStart(Document, frozen=True, forbid_unknown_fields=True):
    """The input of a run, and the arguments of the signal that comes with its start."""

    input: Any = None
    signal: Any = None


class Answer(Document, frozen=True):
    """What a query or an update returned."""

    result: Any


class Accepted(Document, frozen=True):
    """A message that will reach its run, whatever happens."""

    run_id: str
    name: str
    operation_id: str
    """Send the same message again with this as Idempotency-Key and it is delivered once."""
    warning: str | UnsetType = UNSET
    """Why it may never be looked at: the run's workflow declares signals, and none of this name."""


class Message(Document, frozen=True):
    """A signal, query or update that a workflow handles."""

    name: str
    description: str
    input: dict[str, Any]
    """JSON Schema of what is sent."""
    output: dict[str, Any] | UnsetType = UNSET
    """JSON Schema of what comes back; a signal gets no answer."""


class Taken(Document, frozen=True):
    """An answer to a callback that cannot be lost any more."""

    taken: bool = True
