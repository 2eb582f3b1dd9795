"""What Holdfast notes about its own runs in Temporal's histories: the memo, the header, and messages of its own.

Owns: as much of their form as a history tells, and their names.
Must not know: events, who writes them (`holdfast.temporal.own`).
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec

from holdfast.history.temporal.members import Members
from holdfast.history.temporal.payloads import read_payload, write_payload

NAME: Final = "holdfast"
"""Of the memo field and of the header."""
PAUSE: Final = "holdfast:pause"
"""The signal that keeps a run from moving."""
RESUME: Final = "holdfast:resume"
"""The signal that lets a run go on that was paused, or has parked itself."""
CALLBACK: Final = "holdfast:callback"
"""The memo field that says which callback was opened."""
ANSWER: Final = "holdfast:answer"
"""The update that answers a callback."""
SIDE_EFFECT: Final = "holdfast:side_effect"
"""The local activity that calls a side effect's function."""


class RunNote(msgspec.Struct, frozen=True, omit_defaults=True):
    """The memo of a run."""

    number: int = 1
    """Which execution of its run it is, from 1."""
    digest: str = ""
    """Tells its input from another."""
    code_version: str = ""
    seed: int = 0
    """Seeds `random()` and `uuid4()` where it is not the run id that does."""
    paused_at: float = 0.0
    parked: str = ""
    attributes: dict[str, str] = msgspec.field(default_factory=dict)
    callbacks: dict[str, str] = msgspec.field(default_factory=dict)
    """URLs that its callbacks have, by step, where it was recorded elsewhere."""


class CarriedNote(msgspec.Struct, frozen=True, omit_defaults=True):
    """The header of an execution as which a run has gone on."""

    signals: tuple[tuple[str, str], ...] = ()
    """Name and JSON text of each signal that nobody had taken."""


class OpenedNote(msgspec.Struct, frozen=True):
    """The memo field that says which callback was opened."""

    step: str
    url: str


class AnswerNote(msgspec.Struct, frozen=True):
    """What the update says that answers a callback."""

    name: str
    """Of the message that the code waits for."""
    input: msgspec.Raw


Note = TypeVar("Note", RunNote, CarriedNote)


def read_note(fields: Members, kind: type[Note]) -> Note | None:
    """Return what stands under Holdfast's name among the fields of a memo or header; None where nothing does."""
    payload: Any = fields.get(NAME)
    if payload is None:
        return None
    try:
        return msgspec.json.decode(read_payload(payload, fields.where), type=kind)
    except msgspec.MsgspecError:
        return None


def read_texts(fields: Members) -> dict[str, str]:
    """Return what whoever started a run noted in its memo; what is no text is left out."""
    texts: dict[str, str] = {}
    for name in fields:
        value = msgspec.json.decode(read_payload(fields.get(name), fields.where)) if name != NAME else None
        if isinstance(value, str):
            texts[name] = value
    return texts


def write_note(note: RunNote) -> dict[str, Any]:
    """Return the fields of a memo."""
    return {NAME: write_payload(msgspec.json.encode(note))}


def execution_name(run_id: str, number: int) -> str:
    """Return the name of an execution, as it has on every engine."""
    return run_id if number == 1 else f"{run_id}@{number}"
