"""What Holdfast notes about its own runs on Temporal, and tasks are told about their calls.

Owns: the memo and the headers under Holdfast's name, and their form.
Must not know: who reads them.

The memo says which execution of its run it is, and what its input was: Temporal has other names for executions, and
does not compare inputs. A header takes along what Temporal has no place for: how a task is to be run, and the messages
that a run had not read when it went on.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Final

import msgspec
from temporalio.api.common.v1 import Payload

from holdfast.history import TaskOptions
from holdfast.history.temporal import PAST, PAST_ENCODING, CaughtUp, Past, pack_past, unpack_past
from holdfast.temporal.payloads import read_payload, write_payload

NAME: Final = "holdfast"
"""Of the memo field and of the header."""
OPENED: Final = "holdfast:callback"
"""Of the memo field that says which callback was opened."""

TOLD: Final = "holdfast:told"
"""Of the header of a signal: its operation id."""


class Note(msgspec.Struct, frozen=True, omit_defaults=True):
    """The memo of a run."""

    number: int = 1
    """Which execution of its run it is, from 1."""
    digest: str = ""
    """Tells its input from another."""
    code_version: str = ""
    before: str = ""
    """Temporal's run id of the execution of the same run that was there before; empty for none."""
    paused_by: str = ""
    paused_reason: str = ""
    paused_at: float = 0.0
    """When it was paused, in seconds since the epoch; 0 while it is not."""
    parked: str = ""
    """Why its own code has parked it; empty while it has not."""
    attributes: dict[str, str] = msgspec.field(default_factory=dict)
    """What it is found by: literals, by name. See `holdfast.temporal.attributes`."""
    seed: int = 0
    """Seeds `random()` and `uuid4()` in a run that was recorded elsewhere; 0 where Temporal's run id does."""
    callbacks: dict[str, str] = msgspec.field(default_factory=dict)
    """URLs that its callbacks have, by step, in a run that was recorded elsewhere."""
    forked_from: str = ""
    """The execution with whose history it began; empty for none."""


class Answer(msgspec.Struct, frozen=True):
    """What the update says that answers a callback."""

    name: str
    """Of the message that the code waits for."""
    number: int
    """Which execution of the run asked, from 1."""
    input: msgspec.Raw


class Opened(msgspec.Struct, frozen=True):
    """The memo field OPENED: the callback that was opened last. History has each of them, as the memo was changed."""

    step: str
    url: str


class Pausing(msgspec.Struct, frozen=True):
    """What the signal says that pauses a run."""

    by: str = ""
    reason: str = ""


class FanOutPart(msgspec.Struct, frozen=True):
    """Of which fan-out a chunk is a part."""

    step: str
    count: int
    """How many items the whole fan-out has."""
    digest: str
    """Of all items, in hexadecimal digits."""
    failures_max: int
    """How many items may fail before the fan-out is given up; -1 is "any number"."""


class Call(msgspec.Struct, frozen=True, omit_defaults=True):
    """The header of a task's call, or of a chunk's."""

    execution: str
    options: TaskOptions
    fan_out: FanOutPart | None = None


class Carried(msgspec.Struct, frozen=True, omit_defaults=True):
    """The header of an execution as which a run has gone on."""

    signals: tuple[tuple[str, str], ...] = ()
    """Name and JSON text of each signal that nobody had taken."""


def write_memo(texts: Mapping[str, str], note: Note) -> dict[str, Payload]:
    """Return the memo of a run: what whoever starts it notes, and what Holdfast does."""
    return {**{name: write_payload(msgspec.json.encode(text)) for name, text in texts.items()}, NAME: write_note(note)}


def read_memo(memo: Mapping[str, Payload]) -> dict[str, str]:
    """Return what whoever started a run noted; what is no text is left out."""
    return {
        name: msgspec.json.decode(payload.data, type=str)
        for name, payload in memo.items()
        if name not in {NAME, OPENED, PAST} and payload.data[:1] == b'"'
    }


def write_note(note: Note) -> Payload:
    """Return a memo field."""
    return write_payload(msgspec.json.encode(note))


def read_note(memo: Mapping[str, Payload]) -> Note:
    """Return what the memo of a run says; one that others have started has nothing to say."""
    payload = memo.get(NAME)
    return Note() if payload is None else _decode_note(read_payload(payload))


def read_pausing(text: bytes) -> Pausing:
    """Return who pauses a run, and why; a signal that says nothing pauses it too."""
    try:
        return msgspec.json.decode(text, type=Pausing)
    except msgspec.MsgspecError:
        return Pausing()


def read_answer(text: bytes) -> Answer:
    """Return an answer to a callback. Raises msgspec.ValidationError."""
    return _decode_answer(text)


def write_opened(opened: Opened) -> Payload:
    """Return a memo field."""
    return write_payload(msgspec.json.encode(opened))


def execution_name(run_id: str, number: int) -> str:
    """Return the name of an execution, as it has on every engine."""
    return run_id if number == 1 else f"{run_id}@{number}"


def digest_of(input: bytes) -> str:
    """Return what tells an input from another."""
    return blake2b(input, digest_size=16).hexdigest()


def write_header(value: Call | Carried) -> dict[str, Payload]:
    """Return headers."""
    return {NAME: write_payload(msgspec.json.encode(value))}


def write_told(operation_id: str) -> dict[str, Payload]:
    """Return the headers of a signal."""
    return {TOLD: write_payload(msgspec.json.encode(operation_id))}


def write_past(past: Past) -> dict[str, Payload]:
    """Return the header of a run that begins with a past."""
    return {PAST: Payload(metadata={"encoding": PAST_ENCODING.encode()}, data=pack_past(past))}


def read_past(headers: Mapping[str, Payload]) -> Past | None:
    """Return the past that a run begins with; None where it has none. Raises HistoryError."""
    payload = headers.get(PAST)
    return None if payload is None else unpack_past(payload.data)


def write_caught_up(note: CaughtUp) -> Payload:
    """Return a memo field."""
    return write_payload(msgspec.json.encode(note))


def read_call(headers: Mapping[str, Payload]) -> Call | None:
    """Return what a task's call says of itself; None when somebody else has made it."""
    payload = headers.get(NAME)
    return None if payload is None else _decode_call(read_payload(payload))


def read_carried(headers: Mapping[str, Payload]) -> Carried:
    """Return what an execution was given by the one before it."""
    payload = headers.get(NAME)
    return Carried() if payload is None else _decode_carried(read_payload(payload))


_decode_answer: Final = msgspec.json.Decoder(Answer).decode
_decode_note: Final = msgspec.json.Decoder(Note).decode
_decode_call: Final = msgspec.json.Decoder(Call).decode
_decode_carried: Final = msgspec.json.Decoder(Carried).decode
