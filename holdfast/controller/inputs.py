"""What comes from outside for runs: their ids, and JSON in the one form in which it is recorded.

Owns: which run ids are taken, and that equal inputs give equal bytes.
Must not know: HTTP, what is done with an input.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from holdfast.authoring import Gathering, MessageHandler, WorkflowDefinition, event_of
from holdfast.controller.strict import read_json
from holdfast.errors import InputError

RUN_ID: Final = re.compile(r"(?!\.{1,2}\Z)[^\x00-\x1f\x7f]{1,255}")
"""A run id that can be part of a path, where a slash is written %2F: no control characters, neither `.` nor `..`."""


def check_run_id(run_id: str) -> str:
    """Return a run id that can be part of a path. Raises InputError."""
    if not RUN_ID.fullmatch(run_id):
        problem = "expected 1 to 255 characters without control characters, and neither '.' nor '..'"
        raise InputError("the run id", (("", problem),))
    return run_id


def canonical(definition: WorkflowDefinition[Any, Any] | MessageHandler[Any, Any], text: bytes, what: str) -> bytes:
    """Return the input of a workflow or handler as it is recorded. Raises InputError."""
    text = text or b"null"
    read_json(text, what)
    return recorded(definition, text)


def recorded(definition: WorkflowDefinition[Any, Any] | MessageHandler[Any, Any], text: bytes) -> bytes:
    """Return an input as it is recorded, from JSON that was read strictly. Raises InputError."""
    args, kwargs = definition.signature.decode_call(text)
    payload = definition.signature.encode_call(args, kwargs)
    if isinstance(definition, WorkflowDefinition):
        definition.check_input(payload)
    return payload


def canonical_event(definition: WorkflowDefinition[Any, Any], text: bytes, gathering: Gathering) -> bytes:
    """Return an event as it waits for others. Raises InputError."""
    text = text or b"null"
    read_json(text, f"an event of {definition.name}")
    return recorded_event(definition, text, gathering)


def recorded_event(definition: WorkflowDefinition[Any, Any], text: bytes, gathering: Gathering) -> bytes:
    """Return an event as it waits for others, from JSON that was read strictly. Raises InputError."""
    alone = b"[" + text + b"]" if gathering.size else text
    return event_of(gathering, recorded(definition, alone), definition.name)


def plain(text: bytes, what: str) -> bytes:
    """Return JSON of which the type is not known here as it is recorded. Raises InputError."""
    return msgspec.json.encode(read_json(text or b"null", what))
