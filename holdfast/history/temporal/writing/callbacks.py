"""Callbacks, as the memo and the update of our adapter.

Owns: what is written of them.
Must not know: workflow tasks, other kinds of events.

The URL of a callback is signed with a key that nobody has who replays. So the memo with which the run begins has those
that were made, and the adapter gives them out again.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final

import msgspec

from holdfast.history.events import CallbackOpened, SignalReceived
from holdfast.history.temporal.notes import ANSWER, CALLBACK, OpenedNote
from holdfast.history.temporal.payloads import write_arguments, write_payload, write_result
from holdfast.history.temporal.writing.sheet import IDENTITY, Sheet, Writes, inside

MESSAGE: Final = "callback "
"""What the name of a message begins with that answers a callback: see `holdfast.ports.callbacks`."""


def is_answer(event: Any) -> bool:
    """Say whether an event is the answer to a callback."""
    return isinstance(event, SignalReceived) and event.name.startswith(MESSAGE)


def open_callback(sheet: Sheet, event: CallbackOpened) -> None:
    """Write that the code makes a URL."""
    note = write_payload(msgspec.json.encode(OpenedNote(event.step, event.url)))
    sheet.decide("WorkflowPropertiesModified", upsertedMemo={"fields": {CALLBACK: note}})


def answer(sheet: Sheet, event: SignalReceived, sequencing: int) -> None:
    """Write an answer behind the workflow task that was asked for at event `sequencing`: it is taken at once."""
    said = {"name": event.name, "number": sheet.note.number, "input": msgspec.Raw(inside(event.input))}
    update = blake2b(event.name.encode(), digest_size=16).hexdigest()
    accepted = sheet.add(
        "WorkflowExecutionUpdateAccepted",
        event.time,
        protocolInstanceId=update,
        acceptedRequestMessageId=f"{update}/request",
        acceptedRequestSequencingEventId=str(sequencing),
        acceptedRequest={
            "meta": {"updateId": update, "identity": IDENTITY},
            "input": {"name": ANSWER, "args": write_arguments(msgspec.json.encode(said))},
        },
    )
    sheet.add(
        "WorkflowExecutionUpdateCompleted",
        event.time,
        meta={"updateId": update, "identity": IDENTITY},
        acceptedEventId=str(accepted),
        outcome={"success": write_result(b"null")},
    )


DECISIONS: Final[Writes] = {CallbackOpened: open_callback}
